"""Disks that fill up or fail inside a save, and checkpoints that were damaged after it."""

from __future__ import annotations

import errno
import random
import resource
import signal
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from benchmarks.reliability.faults import Points, fail_with, watched
from benchmarks.reliability.runs import difference
from outtake.core.errors import CheckpointError, OutputError
from outtake.training.checkpoint_files import (
    LAST_CHECKPOINT,
    PREVIOUS_CHECKPOINT,
    latest_valid,
    read_checkpoint,
    save_checkpoint,
)
from outtake.training.model_archive import read_archive, write_archive


def checkpoint(step: int) -> dict[str, Any]:
    """Return something with the parts of a checkpoint, other for every step."""
    generator = torch.Generator().manual_seed(step)
    weights = {f"layer.{i}": torch.randn(40, 30, generator=generator) for i in range(6)}
    return {"global_step": step, "state_dict": weights, "callbacks": {"a": [step, None, "text"]}}


def full_disk(folder: Path, most: int | None = None) -> Counter[str]:
    """Let every write of a save fail, one at a time; what was saved before must load, always.

    Twice in memory, with ENOSPC and EIO at each place that a save touches the disk, and once by
    the system itself, at every kilobyte that a file may not grow beyond. With ``most``, only at the
    last so many places of each kind: those after the many writes of the content.
    """
    last = slice(None if most is None else -most, None)
    tally: Counter[str] = Counter()
    with _temporary_folder_elsewhere() as where:
        tally[f"temporary folder on {where}"] = 1
        points = Points()
        _two_saves(folder / "count")
        with watched(points):
            _save(folder / "count", 3)
        assert points.count >= 50, f"{points.count} points: writes go past what is watched"
        for number in (errno.ENOSPC, errno.EIO):
            for place in range(1, points.count + 1)[last]:
                run = folder / f"{errno.errorcode[number]}-{place}"
                _two_saves(run)
                with watched(Points(place, fail_with(number))):
                    _judge(run, tally, errno.errorcode[number])
        for kilobytes in range(1, 40)[last]:
            run = folder / f"limit-{kilobytes}"
            _two_saves(run)
            with _largest_file(kilobytes * 1024):
                _judge(run, tally, "the system")
    return tally


def damaged(folder: Path, count: int, seed: int = 0) -> Counter[str]:
    """Truncate a checkpoint or flip one of its bits, ``count`` times; none may load as another."""
    dice = random.Random(seed)
    path = folder / "checkpoint.ckpt"
    bundle = folder / "bundle.zip"
    written = checkpoint(7)
    save_checkpoint(written, path)
    record = {"format": 1, "version": "0", "config": "a: 1\n", "labels": {"names": ["a", "b"]}}
    record |= {"channels": 3, "short_side": None}
    write_archive(bundle, {**written, "outtake": record, "epoch": 1}, {"README.md": b"text"})
    sidecar = path.with_name(path.name + ".sha256")
    sound = {file: file.read_bytes() for file in (path, bundle, sidecar)}
    tally: Counter[str] = Counter()
    for index in range(count):
        file = bundle if index % 5 == 4 else path
        alone = file == path and index % 2 == 0
        content = _spoil(sound[file], dice)
        file.write_bytes(content)
        if alone:
            sidecar.unlink()
        kind = "a zip" if file == bundle else "without its .sha256" if alone else "with its .sha256"
        try:
            loaded = read_archive(bundle) if file == bundle else read_checkpoint(path)
        except CheckpointError:
            tally[f"{kind}: refused"] += 1
        else:
            same = difference(written["state_dict"], loaded["state_dict"]) is None
            same &= file == bundle or difference(written, loaded) is None
            tally[f"{kind}: loaded, and equal" if same else f"{kind}: LOADED SILENTLY"] += 1
        for each, bytes_ in sound.items():
            each.write_bytes(bytes_)
    return tally


def _spoil(content: bytes, dice: random.Random) -> bytes:
    if dice.random() < 0.4:
        return content[: dice.randrange(len(content))]
    changed = bytearray(content)
    changed[dice.randrange(len(changed))] ^= 1 << dice.randrange(8)
    return bytes(changed)


def _save(run: Path, step: int) -> None:
    save_checkpoint(checkpoint(step), run / LAST_CHECKPOINT, PREVIOUS_CHECKPOINT)


def _two_saves(run: Path) -> None:
    run.mkdir(parents=True)
    _save(run, 1)
    _save(run, 2)


def _judge(run: Path, tally: Counter[str], fault: str) -> None:
    """Save a third time under a fault; what loads then must be one of those saved, whole."""
    failed = False
    try:
        _save(run, 3)
    except OutputError:
        failed = True
    best = latest_valid([run / LAST_CHECKPOINT, run / PREVIOUS_CHECKPOINT])
    read = read_checkpoint(best)
    right = read["global_step"] in ((2, 3) if failed else (3,))
    whole = difference(checkpoint(read["global_step"]), read) is None
    # Without a word, the save has to have gone through: a failed link has another way.
    good = right and whole and best.name == LAST_CHECKPOINT
    good &= read_checkpoint(run / PREVIOUS_CHECKPOINT)["global_step"] in (1, 2)
    tally[f"{fault}: {'refused' if failed else 'saved'}, both load" if good else "FAILED"] += 1


@contextmanager
def _largest_file(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    former = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, former)


@contextmanager
def _temporary_folder_elsewhere() -> Iterator[str]:
    """Let temporary files be on another file system than the checkpoints."""
    shared, former = Path("/dev/shm"), tempfile.tempdir
    if not shared.is_dir():
        yield "the same file system, there is no /dev/shm"
        return
    with tempfile.TemporaryDirectory(dir=shared) as name:
        tempfile.tempdir = name
        try:
            yield "another file system"
        finally:
            tempfile.tempdir = former
