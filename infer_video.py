"""Remove objects from a video: ``python infer_video.py --help``."""

from outtake.programs.entry_points import run_infer_video

# Tab completion looks for the words @hydra.main in a script.
if __name__ == "__main__":
    run_infer_video()
