"""One driver at a time, on one machine and on several."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from outtake.core.errors import OutputError
from outtake.sweeps.driver_lock import DriverLease, acquire_lock
from outtake.sweeps.study import SweepStudy
from tests.sweeps.one_line_trials import (
    make_sweep,
)


def test_one_driver_at_a_time(tmp_path: Path) -> None:
    held = acquire_lock(tmp_path / "s")
    script = f"""
        from pathlib import Path
        from outtake.sweeps.driver_lock import acquire_lock
        acquire_lock(Path({str(tmp_path / "s")!r}))
    """
    command = [sys.executable, "-c", textwrap.dedent(script)]
    refused = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert "another driver is at work" in refused.stderr
    held.release()
    assert subprocess.run(command, capture_output=True, timeout=60).returncode == 0


def test_a_driver_on_another_machine_is_respected_while_it_lives(tmp_path: Path) -> None:
    study = SweepStudy(make_sweep(tmp_path)).study
    elsewhere = {"host": "elsewhere", "pid": 1, "time_s": time.time()}
    study.set_user_attr("driver", elsewhere)
    with pytest.raises(OutputError, match="process 1 on elsewhere"):
        DriverLease(study)
    study.set_user_attr("driver", elsewhere | {"time_s": time.time() - 1000})
    lease = DriverLease(study)
    study.set_user_attr("driver", elsewhere)
    lease._last_s = 0.0
    with pytest.raises(OutputError, match="process 1 on elsewhere"):
        lease.heartbeat()
    lease._last_s, lease._last_wall_s = time.monotonic(), time.time() - 1000
    with pytest.raises(OutputError, match="process 1 on elsewhere"):
        lease.heartbeat()  # the machine slept, and one of its clocks with it
    lease.release()
    assert study.user_attrs["driver"] == elsewhere, "what another holds is not given back"
    ended = subprocess.Popen(["true"])
    ended.wait()
    here = {"host": os.uname().nodename, "pid": ended.pid, "time_s": time.time()}
    study.set_user_attr("driver", here)
    DriverLease(study).release()
    assert study.user_attrs["driver"] is None
