"""Checkpoint files: written whole or not at all, with a checksum, the previous one kept."""

from __future__ import annotations

import json
import logging
import os
import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import torch
from lightning_fabric.plugins.io.torch_io import TorchCheckpointIO

from outtake.core.errors import CheckpointError
from outtake.core.files import PART_SUFFIX, replace_file, replace_text, sha256_of_file
from outtake.core.torch_files import find_fault, read_plain, read_plain_beside_records

CHECKSUM_SUFFIX = ".sha256"
FOLDS_FILE = "folds.json"  # of the folder that groups the runs of a k-fold training
LAST_CHECKPOINT, PREVIOUS_CHECKPOINT = "last.ckpt", "previous.ckpt"

# Checksums of the files that this process wrote last.
_written_checksums: dict[Path, list[str]] = {}

log = logging.getLogger(__name__)


class AtomicCheckpointIO(TorchCheckpointIO):
    """Lightning's checkpoint plugin, made safe against a crash, a full disk and bit rot.

    Lightning writes through a temporary folder, which may be on another file system: a full disk
    then leaves the old checkpoint truncated. Here the new one is written beside the old and
    replaces it in one step; of ``last.ckpt`` the one before is kept as ``previous.ckpt``.
    """

    def save_checkpoint(
        self,
        checkpoint: dict[str, Any],
        path: str | os.PathLike[str],
        storage_options: Any | None = None,
    ) -> None:
        """Write ``path`` and ``path.sha256``."""
        target = Path(path)
        save_checkpoint(
            checkpoint, target, PREVIOUS_CHECKPOINT if target.name == LAST_CHECKPOINT else None
        )

    def load_checkpoint(
        self,
        path: str | os.PathLike[str],
        map_location: Any | None = None,
        weights_only: bool | None = None,
    ) -> dict[str, Any]:
        """Read plain containers and tensors, never objects, whatever ``weights_only`` says."""
        return read_checkpoint(Path(path), map_location="cpu")


def save_checkpoint(
    checkpoint: dict[str, Any], path: Path, previous_name: str | None = None
) -> None:
    """Write a checkpoint beside its target, then replace the target.

    Args:
        checkpoint: Plain containers and tensors.
        path: The target.
        previous_name: The name under which the previous file is kept in the same folder; None
            keeps none.

    Raises:
        OutputError: The disk is full or the folder cannot be written; the previous file stays.
    """
    sidecar = _checksum_path(path)
    former = _valid_checksums(path)
    part = path.with_name(path.name + PART_SUFFIX)

    def write(file: IO[bytes]) -> None:
        torch.save(checkpoint, file)
        file.flush()
        os.fsync(file.fileno())
        digest.append(sha256_of_file(part))
        if previous_name is not None and former:
            _keep_previous(path, path.with_name(previous_name), former)
        # Between the two replacements a crash may leave either file; both sums are valid then.
        replace_text(sidecar, _format_checksums([*digest, *former], path.name))

    digest: list[str] = []
    replace_file(path, write)
    replace_text(sidecar, _format_checksums(digest, path.name))
    _written_checksums[path] = digest


def read_checkpoint(
    path: Path, map_location: str = "cpu", *, beside_records: bool = False
) -> dict[str, Any]:
    """Read a checkpoint after comparing its checksums.

    The checksum beside the file covers all of it. Without that one (the file was copied alone), the
    checksums inside the archive cover everything that is read from it.

    Args:
        path: The file.
        map_location: The device of the tensors.
        beside_records: Whether only its weights are meant, so that what other programs keep beside
            them is passed over, see :func:`outtake.core.torch_files.read_plain_beside_records`;
            the tensors are then on the CPU.

    Raises:
        CheckpointError: The file is missing, truncated, altered, or holds more than plain data.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: no such checkpoint; give a run folder or a .ckpt file")
    sidecar = _checksum_path(path)
    try:
        if sidecar.is_file() and sha256_of_file(path) not in _read_checksums(sidecar):
            raise CheckpointError(
                f"{path} does not match {sidecar.name}: truncated or altered; use another"
            )
        _check_archive(path)
        loaded = (
            read_plain_beside_records(path) if beside_records else read_plain(path, map_location)
        )
    except CheckpointError:
        raise
    # A damaged archive or pickle may raise nearly anything on the way.
    except Exception as error:
        raise _make_unreadable_error(path, error) from error
    if not isinstance(loaded, dict):
        raise CheckpointError(f"{path} is not a checkpoint: it holds a {type(loaded).__name__}")
    return loaded


def list_fold_folders(folder: Path) -> list[Path]:
    """Return the run folders of a k-fold training; of anything else, what was given.

    Raises:
        CheckpointError: The training of the folds has not ended.
    """
    record = folder / FOLDS_FILE
    if not record.is_file():
        return [folder]
    try:
        content = json.loads(record.read_text())
        count, done = int(content["folds"]), [str(run["run"]) for run in content["runs"]]
    except (ValueError, TypeError, KeyError) as error:
        raise CheckpointError(
            f"{record} cannot be read: {error}; name its runs one by one"
        ) from error
    if len(done) < count:
        raise CheckpointError(
            f"{folder}: {len(done)} of its {count} folds are trained; train the others by the same "
            "command with resume=auto, or name the runs one by one"
        )
    return [folder / Path(name).name for name in done]


def latest_valid(paths: Sequence[Path]) -> Path:
    """Return the first intact checkpoint of some, newest first; warn if it is not the newest.

    Raises:
        CheckpointError: None is intact; says what is wrong with the newest one.
    """
    there = [path for path in paths if path.is_file()] or list(paths[:1])
    problems: list[CheckpointError] = []
    for path in there:
        try:
            read_checkpoint(path)
        except CheckpointError as error:
            problems.append(error)
            continue
        for problem in problems:
            log.warning(f"WARNING: {problem}. FALLING BACK to the one before it: {path}")
        return path
    raise problems[0]


def _valid_checksums(path: Path) -> list[str]:
    """Return the checksum of a file; none if the file is missing or damaged.

    A crash may have left several sums, the first of them of a file that was never completed. A file
    without a checksum beside it is hashed as it is: reading compares the sums inside it.
    """
    if not path.is_file():
        return []
    sums = _read_checksums(_checksum_path(path))
    if sums and sums == _written_checksums.get(path):
        return sums  # by this process: not hashed again
    found = sha256_of_file(path)
    return [found] if found in sums or not sums else []


def _keep_previous(path: Path, previous: Path, checksums: Sequence[str]) -> None:
    # By a second name for the same file, so that there is a checkpoint at every moment. As above,
    # both sums are valid until the second replacement is done.
    replace_text(
        _checksum_path(previous),
        _format_checksums([*checksums, *_valid_checksums(previous)], previous.name),
    )
    # Not the name under which files are written: opening this one to write would overwrite the
    # newest checkpoint.
    second = previous.with_name(previous.name + ".link")
    second.unlink(missing_ok=True)
    try:
        os.link(path, second)
        os.replace(second, previous)
    except OSError:  # a file system without links
        second.unlink(missing_ok=True)
        with path.open("rb") as file:
            replace_file(previous, lambda target: shutil.copyfileobj(file, target))
    replace_text(_checksum_path(previous), _format_checksums(checksums, previous.name))
    _written_checksums[previous] = list(checksums)


def _check_archive(path: Path) -> None:
    # torch reads its archives without comparing the sums that it wrote into them.
    if not zipfile.is_zipfile(path):
        raise _make_unreadable_error(path)
    with zipfile.ZipFile(path) as archive:
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
            raise CheckpointError(f"{path}: compressed, as no checkpoint of outtake train is")
        damaged = archive.testzip()
    if damaged is not None:
        raise CheckpointError(f"{path} is truncated or altered (in {damaged}); use another")


def _make_unreadable_error(path: Path, error: Exception | None = None) -> CheckpointError:
    fault = find_fault(path, error)
    # Only other programs write such files, whose weights are good for one thing.
    alone = f", or for init_from {fault.remedy}" if fault.has_objects else ""
    return CheckpointError(f"{path} {fault.what}; use one that outtake train wrote{alone}")


def _checksum_path(path: Path) -> Path:
    return path.with_name(path.name + CHECKSUM_SUFFIX)


def _read_checksums(sidecar: Path) -> list[str]:
    if not sidecar.is_file():
        return []
    text = sidecar.read_text(errors="replace")
    return [line.split()[0] for line in text.splitlines() if line.strip()]


def _format_checksums(sums: Sequence[str], name: str) -> str:
    return "\n".join(f"{each}  {name}" for each in sums) + "\n"
