from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest
import torch

from outtake.core.errors import CheckpointError, OutputError
from outtake.training import checkpoint_files
from outtake.training.checkpoint_files import (
    LAST_CHECKPOINT,
    PREVIOUS_CHECKPOINT,
    AtomicCheckpointIO,
    latest_valid,
    read_checkpoint,
    save_checkpoint,
)


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


def test_a_checkpoint_of_another_program_says_what_it_is_good_for(tmp_path: Path) -> None:
    for content, said in (
        ({"state_dict": {}, "hyper_parameters": tmp_path}, r"holds objects \(pathlib.*init_from"),
        (None, r"is of torch\.save before 1\.6; use one that outtake train wrote"),
    ):
        zipped = content is not None
        torch.save(content, tmp_path / "x.ckpt", _use_new_zipfile_serialization=zipped)
        with pytest.raises(CheckpointError, match=said) as caught:
            read_checkpoint(tmp_path / "x.ckpt")
        assert str(caught.value).isprintable()


def test_a_missing_checkpoint_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="run folder"):
        read_checkpoint(tmp_path / "absent.ckpt")


def test_of_last_the_one_before_is_kept_and_of_best_none(tmp_path: Path) -> None:
    plugin = AtomicCheckpointIO()
    for epoch in range(3):
        for name in ("best.ckpt", LAST_CHECKPOINT):
            plugin.save_checkpoint({"epoch": epoch}, tmp_path / name)
    assert read_checkpoint(tmp_path / LAST_CHECKPOINT)["epoch"] == 2
    assert read_checkpoint(tmp_path / PREVIOUS_CHECKPOINT)["epoch"] == 1
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {
        n + s for n in ("best.ckpt", LAST_CHECKPOINT, PREVIOUS_CHECKPOINT) for s in ("", ".sha256")
    }


def test_without_links_the_one_before_is_copied(tmp_path: Path, monkeypatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("os.link", refuse)
    for epoch in range(3):
        save_checkpoint({"epoch": epoch}, tmp_path / LAST_CHECKPOINT, PREVIOUS_CHECKPOINT)
    assert read_checkpoint(tmp_path / PREVIOUS_CHECKPOINT)["epoch"] == 1
    assert not list(tmp_path.glob("*.part"))


def test_a_rename_that_fails_in_keeping_the_one_before_costs_no_checkpoint(
    tmp_path: Path, monkeypatch
) -> None:
    for epoch in range(2):
        save_checkpoint({"epoch": epoch}, tmp_path / LAST_CHECKPOINT, PREVIOUS_CHECKPOINT)
    replace = os.replace

    def full(source: Path, target: Path) -> None:
        if Path(target).name in (LAST_CHECKPOINT, PREVIOUS_CHECKPOINT):
            raise OSError(28, "No space left on device")
        replace(source, target)

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OutputError, match="what was there stays"):
        save_checkpoint({"epoch": 2}, tmp_path / LAST_CHECKPOINT, PREVIOUS_CHECKPOINT)
    assert read_checkpoint(tmp_path / LAST_CHECKPOINT)["epoch"] == 1
    assert read_checkpoint(tmp_path / PREVIOUS_CHECKPOINT)["epoch"] == 0


def test_the_newest_that_is_sound_is_found(tmp_path: Path, caplog) -> None:
    paths = [tmp_path / LAST_CHECKPOINT, tmp_path / PREVIOUS_CHECKPOINT]
    with pytest.raises(CheckpointError, match=r"last\.ckpt"):
        latest_valid(paths)
    for epoch in range(2):
        save_checkpoint({"epoch": epoch}, paths[0], PREVIOUS_CHECKPOINT)
    assert latest_valid(paths) == paths[0] and not caplog.text
    paths[0].write_bytes(paths[0].read_bytes()[:-5])
    assert latest_valid(paths) == paths[1]
    assert "FALLING BACK" in caplog.text and "truncated or altered" in caplog.text


def test_a_flipped_bit_is_refused_without_the_checksum_beside_it_too(saved: Path) -> None:
    saved.with_name("best.ckpt.sha256").unlink()
    data = bytearray(saved.read_bytes())
    # In the middle of the tensor: torch alone would load it.
    data[data.index(torch.arange(500.0).numpy().tobytes()) + 1000] ^= 1
    saved.write_bytes(bytes(data))
    assert torch.load(saved, weights_only=True)["epoch"] == 1
    with pytest.raises(CheckpointError, match="truncated or altered"):
        read_checkpoint(saved)


@pytest.mark.parametrize("name", [LAST_CHECKPOINT, "best.ckpt"])
def test_saves_that_end_before_the_last_rename_cost_nothing(
    name: str, tmp_path: Path, monkeypatch
) -> None:
    """The newest sum is then of a file that never came to be, however often that happens."""
    path, kept = tmp_path / name, PREVIOUS_CHECKPOINT if name == LAST_CHECKPOINT else None
    for epoch in range(2):
        save_checkpoint({"epoch": epoch}, path, kept)
    replace = os.replace

    def killed(source: Path, target: Path) -> None:
        if Path(target) == path:
            raise KeyboardInterrupt
        replace(source, target)

    for _ in range(3):
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr("os.replace", killed)
            save_checkpoint({"epoch": 2}, path, kept)
        assert read_checkpoint(path)["epoch"] == 1
        if kept:
            assert read_checkpoint(tmp_path / kept)["epoch"] == 1
    save_checkpoint({"epoch": 2}, path, kept)
    assert read_checkpoint(path)["epoch"] == 2
    if kept:
        assert read_checkpoint(tmp_path / kept)["epoch"] == 1


def test_a_damaged_checkpoint_is_not_kept_in_place_of_a_sound_one(tmp_path: Path) -> None:
    path = tmp_path / LAST_CHECKPOINT
    for epoch in range(2):
        save_checkpoint({"epoch": epoch}, path, PREVIOUS_CHECKPOINT)
    checkpoint_files._written_checksums.clear()  # as in the process that goes on
    path.write_bytes(path.read_bytes()[:-5])
    save_checkpoint({"epoch": 2}, path, PREVIOUS_CHECKPOINT)
    assert read_checkpoint(path)["epoch"] == 2
    assert read_checkpoint(tmp_path / PREVIOUS_CHECKPOINT)["epoch"] == 0


def test_without_checksums_of_its_own_one_is_kept_with_them(tmp_path: Path) -> None:
    save_checkpoint({"epoch": 0}, tmp_path / LAST_CHECKPOINT, PREVIOUS_CHECKPOINT)
    (tmp_path / f"{LAST_CHECKPOINT}.sha256").unlink()
    save_checkpoint({"epoch": 1}, tmp_path / LAST_CHECKPOINT, PREVIOUS_CHECKPOINT)
    assert read_checkpoint(tmp_path / PREVIOUS_CHECKPOINT)["epoch"] == 0
