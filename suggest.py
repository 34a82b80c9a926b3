"""Say which frames to label next: ``python suggest.py checkpoint=runs/NAME input=CLIP``."""

from outtake.programs.entry_points import run_suggest

# Tab completion looks for the words @hydra.main in a script.
if __name__ == "__main__":
    run_suggest()
