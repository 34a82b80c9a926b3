"""Note something on runs: ``python tag.py runs/NAME --add baseline``."""

from outtake.programs.entry_points import run_tag

if __name__ == "__main__":
    run_tag()
