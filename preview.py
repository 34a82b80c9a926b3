"""Draw samples of a data set: ``python preview.py data=folder data.root=PATH``."""

from outtake.programs.entry_points import run_preview

# Tab completion looks for the words @hydra.main in a script.
if __name__ == "__main__":
    run_preview()
