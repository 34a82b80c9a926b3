"""Compare runs on one page: ``python compare.py runs/*``."""

from outtake.programs.entry_points import run_compare

if __name__ == "__main__":
    run_compare()
