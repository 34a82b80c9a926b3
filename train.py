"""Train a segmentation network: ``python train.py data=camvid model=fcn8s``."""

from outtake.programs.entry_points import run_train

# Tab completion looks for the words @hydra.main in a script.
if __name__ == "__main__":
    run_train()
