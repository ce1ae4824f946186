"""The command line as `python -m marlbench`."""

from marlbench.cli import main

main()
