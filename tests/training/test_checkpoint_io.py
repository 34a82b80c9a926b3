from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch

from outtake.errors import CheckpointError, OutputError
from outtake.training.checkpoint_io import read_checkpoint, save_checkpoint


class Exploit:
    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self):
        return (Path.touch, (self.canary,))


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "best.ckpt"
    save_checkpoint({"state_dict": {"w": torch.arange(500.0)}, "epoch": 1}, path)
    return path


def test_what_is_saved_is_read_back_and_has_a_checksum(saved: Path) -> None:
    assert torch.equal(read_checkpoint(saved)["state_dict"]["w"], torch.arange(500.0))
    digest, name = saved.with_name("best.ckpt.sha256").read_text().split()
    assert len(digest) == 64 and name == "best.ckpt"
    assert sorted(p.name for p in saved.parent.iterdir()) == ["best.ckpt", "best.ckpt.sha256"]


def test_saving_again_replaces(saved: Path) -> None:
    save_checkpoint({"state_dict": {"w": torch.zeros(1)}, "epoch": 2}, saved)
    assert read_checkpoint(saved)["epoch"] == 2
    assert len(saved.with_name("best.ckpt.sha256").read_text().splitlines()) == 1


def test_a_failed_save_leaves_the_former_checkpoint(saved: Path, monkeypatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("torch.save", fail)
    with pytest.raises(OutputError, match="No space left"):
        save_checkpoint({"state_dict": {}}, saved)
    assert read_checkpoint(saved)["epoch"] == 1
    assert not list(saved.parent.glob("*.part"))


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("with_checksum", [True, False])
def test_a_truncated_checkpoint_is_refused(saved: Path, share: float, with_checksum: bool) -> None:
    if not with_checksum:
        saved.with_name("best.ckpt.sha256").unlink()
    data = saved.read_bytes()
    saved.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(CheckpointError, match=r"best\.ckpt"):
        read_checkpoint(saved)


def test_a_flipped_bit_is_refused(saved: Path) -> None:
    data = bytearray(saved.read_bytes())
    data[len(data) // 2] ^= 1
    saved.write_bytes(bytes(data))
    with pytest.raises(CheckpointError, match="truncated or altered"):
        read_checkpoint(saved)


def test_a_pickle_that_would_run_code_is_refused_and_does_not(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    for path, write in (
        (tmp_path / "zip.ckpt", lambda p: torch.save({"x": Exploit(canary)}, p)),
        (tmp_path / "raw.ckpt", lambda p: p.write_bytes(pickle.dumps(Exploit(canary)))),
    ):
        write(path)
        with pytest.raises(CheckpointError):
            read_checkpoint(path)
    assert not canary.exists()


def test_a_missing_checkpoint_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="run folder"):
        read_checkpoint(tmp_path / "absent.ckpt")
