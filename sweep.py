"""Search settings: ``python sweep.py sweep=optimizer n_trials=40 n_jobs=2 -- data=camvid``."""

from outtake.programs.entry_points import run_sweep

# Tab completion looks for the words @hydra.main in a script.
if __name__ == "__main__":
    run_sweep()
