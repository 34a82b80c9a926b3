"""Watch runs while they train: ``python watch.py runs``."""

from outtake.programs.entry_points import run_watch

# Tab completion looks for the words @hydra.main in a script.
if __name__ == "__main__":
    run_watch()
