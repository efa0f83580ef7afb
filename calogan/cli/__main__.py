"""`python -m calogan.cli`."""

from calogan.cli import main

main()
