"""Compare runs on one page: ``python compare.py runs/*``."""

from outtake.programs.command_line import run_program
from outtake.programs.compare import main

if __name__ == "__main__":
    run_program(main)
