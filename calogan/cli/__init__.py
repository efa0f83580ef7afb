"""The command `calogan`: one thin command for each arrow of the data path.

Each command imports what it needs when it runs: `calogan --help` answers at once.
"""

from calogan.cli.shared import app, main

# The commands, in the order in which --help lists them.
# isort: split
from calogan.cli import data

# isort: split
from calogan.cli import training

# isort: split
from calogan.cli import judging

# isort: split
from calogan.cli import generating

__all__ = ["app", "data", "generating", "judging", "main", "training"]
