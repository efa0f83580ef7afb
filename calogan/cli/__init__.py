"""The command `calogan`: one thin command for each arrow of the data path.

Each command imports what it computes with, NumPy and pydantic included, when it runs:
`calogan --help` answers at once.
"""

from calogan.cli.shared import app, main

# The commands, in the order in which --help lists them.
# isort: split
from calogan.cli import reading

# isort: split
from calogan.cli import checking

# isort: split
from calogan.cli import training

# isort: split
from calogan.cli import evaluation

# isort: split
from calogan.cli import plotting

# isort: split
from calogan.cli import reweighting

# isort: split
from calogan.cli import exporting

# isort: split
from calogan.cli import generating

# isort: split
from calogan.cli import campaigns

# isort: split
from calogan.cli import exploring

__all__ = [
    "app",
    "campaigns",
    "checking",
    "evaluation",
    "exploring",
    "exporting",
    "generating",
    "main",
    "plotting",
    "reading",
    "reweighting",
    "training",
]
