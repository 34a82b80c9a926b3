"""Write a data set as shards: ``python pack.py data=folder data.root=PATH output=FOLDER``."""

from outtake.programs.entry_points import run_pack

# Tab completion looks for the words @hydra.main in a script.
if __name__ == "__main__":
    run_pack()
