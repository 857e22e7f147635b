"""`python -m woodshed` is the command `woodshed`."""

from .cli import main

main()
