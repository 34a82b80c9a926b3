"""Compare runs on one page: ``python compare.py runs/*``."""

from outtake.apps.cli import run
from outtake.apps.compare import main

if __name__ == "__main__":
    run(main)
