from __future__ import annotations

from pathlib import Path

import pytest

from outtake.core import memory
from outtake.core.errors import SharedMemoryError
from outtake.core.memory import explain_shared_memory, free_memory_bytes


def test_free_memory_is_the_lesser_of_the_machine_and_its_container(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "_MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "_CGROUP", tmp_path)
    assert free_memory_bytes() is None
    (tmp_path / "meminfo").write_text("MemTotal: 90 kB\nMemAvailable:   50 kB\n")
    (tmp_path / "memory.max").write_text("max\n")
    assert free_memory_bytes() == 50 * 1024
    (tmp_path / "memory.max").write_text("5000\n")
    (tmp_path / "memory.current").write_text("2000\n")
    assert free_memory_bytes() == 3000


@pytest.mark.parametrize(
    "said",
    [
        "Caught RuntimeError in DataLoader worker process 0.\nOriginal Traceback: ...\n"
        "RuntimeError: unable to write to file </torch_12_34_0>: No space left on device (28)",
        "unable to allocate shared memory(shm) for file </torch_1_2_0>: Success (0)",
        "DataLoader worker (pid 7) is killed by signal: Bus error. It is possible that "
        "dataloader's workers are out of shared memory. Please try to raise your shared memory.",
    ],
)
def test_what_torch_says_of_full_shared_memory_is_explained(said: str) -> None:
    with (
        pytest.raises(SharedMemoryError, match=r"/dev/shm\) is full .* set data.workers=0"),
        explain_shared_memory("data.workers"),
    ):
        raise RuntimeError(said)


def test_missing_shared_memory_is_told_from_other_errors() -> None:
    code = "raise FileNotFoundError(2, 'No such file or directory')"
    with pytest.raises(SharedMemoryError), explain_shared_memory("workers"):
        try:
            exec(compile(code, "/usr/lib/python3/multiprocessing/synchronize.py", "exec"))
        finally:
            raise RuntimeError("Please call `iter(combined_loader)` first.")
    with pytest.raises(FileNotFoundError), explain_shared_memory("workers"):
        Path("/absent").read_text()
    with pytest.raises(RuntimeError, match="a bug"), explain_shared_memory("workers"):
        raise RuntimeError("a bug")
