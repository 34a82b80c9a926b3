"""Label pictures and take objects out of them: ``python predict.py --help``."""

from outtake.programs.entry_points import run_predict

# Tab completion looks for the words @hydra.main in a script.
if __name__ == "__main__":
    run_predict()
