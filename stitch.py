"""The background of each shot as one picture: ``python stitch.py CLIP FOLDER masks=MASKS``."""

from outtake.programs.entry_points import run_stitch

# Tab completion looks for the words @hydra.main in a script.
if __name__ == "__main__":
    run_stitch()
