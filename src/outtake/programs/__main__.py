"""``python -m outtake.programs PROGRAM`` is ``outtake PROGRAM``."""

from outtake.programs.entry_points import main

if __name__ == "__main__":
    main()
