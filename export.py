"""Write a trained network as one zip: ``python export.py checkpoint=runs/NAME``."""

from outtake.programs.entry_points import run_export

# Tab completion looks for the words @hydra.main in a script.
if __name__ == "__main__":
    run_export()
