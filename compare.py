"""Compare runs on one page: ``python compare.py runs/*``."""

from outtake.programs.command_line import run
from outtake.programs.compare import main

if __name__ == "__main__":
    run(main)
