"""Score a checkpoint: ``python evaluate.py checkpoint=runs/NAME split=val``."""

from outtake.programs.entry_points import run_evaluate

# Tab completion looks for the words @hydra.main in a script.
if __name__ == "__main__":
    run_evaluate()
