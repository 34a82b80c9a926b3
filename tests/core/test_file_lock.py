from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from outtake.core.file_lock import FolderLock, is_locked

HOLD = """
import sys
from pathlib import Path
from outtake.core.file_lock import FolderLock
lock = FolderLock(Path(sys.argv[1]))
lock.take()
print("held", flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the system is not asked elsewhere")
def test_the_lock_of_another_process_is_seen_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "folder" / ".lock"
    assert is_locked(path) is None, "there is none yet"
    command = [sys.executable, "-c", HOLD, path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout and holder.stdout.readline() == b"held\n"
        assert is_locked(path) is True
        with pytest.raises(BlockingIOError):
            FolderLock(path).take()
        holder.communicate(timeout=30)
    assert is_locked(path) is False


def test_asking_does_not_give_back_the_lock_of_this_process(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    lock = FolderLock(path)
    lock.take()
    assert is_locked(path) is True
    code = "import sys; from pathlib import Path; from outtake.core.file_lock import *; "
    code += "sys.exit(is_locked(Path(sys.argv[1])) is False)"
    assert subprocess.run([sys.executable, "-c", code, path], timeout=30).returncode == 0
    lock.release()
    assert is_locked(path) is not True
