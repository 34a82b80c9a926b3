"""Find which pixels of pictures belong together: ``python cluster.py --help``."""

from outtake.programs.entry_points import run_cluster

# Tab completion looks for the words @hydra.main in a script.
if __name__ == "__main__":
    run_cluster()
