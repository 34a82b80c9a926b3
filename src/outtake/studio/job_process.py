"""``python -m outtake.studio.job_process PROGRAM ...``: ``outtake PROGRAM ...`` of the studio.

It ends when the studio is gone, however that ended: the studio holds the other end of standard
input and never writes to it.
"""

from __future__ import annotations

import runpy

from outtake.core.signals import exit_at_interrupt

if __name__ == "__main__":
    with exit_at_interrupt():
        from outtake.sweeps.trial import watch_driver

        watch_driver()
    runpy.run_module("outtake.programs", run_name="__main__")
