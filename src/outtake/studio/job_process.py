"""``python -m outtake.studio.job_process PROGRAM ...``: ``outtake PROGRAM ...`` of the studio.

It ends when the studio is gone, however that ended: the studio holds the other end of standard
input and never writes to it.
"""

from __future__ import annotations

import runpy

from outtake.sweeps.trial import watch_driver

if __name__ == "__main__":
    watch_driver()
    runpy.run_module("outtake.programs", run_name="__main__")
