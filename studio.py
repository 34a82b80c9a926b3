"""Label, train and remove in a browser: ``python studio.py clip.mp4``."""

from outtake.programs.entry_points import run_studio

# Tab completion looks for the words @hydra.main in a script.
if __name__ == "__main__":
    run_studio()
