"""How a checkpoint reaches the disk: whole or not at all, with its checksum and the one before."""

from __future__ import annotations

import hashlib
import logging
import os
import pickle
import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import torch
from lightning_fabric.plugins.io.torch_io import TorchCheckpointIO

from outtake.core.errors import CheckpointError
from outtake.core.files import PART_SUFFIX, replace_file, replace_text

CHECKSUM_SUFFIX = ".sha256"
LAST_CHECKPOINT, PREVIOUS_CHECKPOINT = "last.ckpt", "previous.ckpt"

# Checksums of what this process wrote last.
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
        checkpoint: plain containers and tensors.
        path: the target.
        previous_name: the name under which what was there is kept, in the same folder; None: not.

    Raises:
        OutputError: the disk is full or the folder can not be written; what was there stays.
    """
    sidecar = _checksum_path(path)
    former = _valid_checksums(path)
    part = path.with_name(path.name + PART_SUFFIX)

    def write(file: IO[bytes]) -> None:
        torch.save(checkpoint, file)
        file.flush()
        os.fsync(file.fileno())
        digest.append(sha256(part))
        if previous_name is not None and former:
            _keep_previous(path, path.with_name(previous_name), former)
        # Between the two replacements a crash may leave either file; both sums are valid then.
        replace_text(sidecar, _format_checksums([*digest, *former], path.name))

    digest: list[str] = []
    replace_file(path, write)
    replace_text(sidecar, _format_checksums(digest, path.name))
    _written_checksums[path] = digest


def read_checkpoint(path: Path, map_location: str = "cpu") -> dict[str, Any]:
    """Read a checkpoint after comparing its checksums.

    The one beside it covers the whole file. Without it (the file was copied alone), those inside
    the archive cover all that is read from it.

    Raises:
        CheckpointError: missing, truncated, altered, or holding more than plain data.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: no such checkpoint; give a run folder or a .ckpt file")
    sidecar = _checksum_path(path)
    try:
        if sidecar.is_file() and sha256(path) not in _read_checksums(sidecar):
            raise CheckpointError(
                f"{path} does not match {sidecar.name}: truncated or altered; use another"
            )
        _check_archive(path)
        loaded = torch.load(path, map_location=map_location, weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path} is not a plain checkpoint: truncated, or holding objects that are never "
            "loaded; use one that train.py wrote"
        ) from error
    except CheckpointError:
        raise
    # A damaged archive or pickle may raise nearly anything on the way.
    except Exception as error:
        raise CheckpointError(
            f"{path} can not be read: truncated or not a checkpoint ({type(error).__name__}); "
            "use another one"
        ) from error
    if not isinstance(loaded, dict):
        raise CheckpointError(f"{path} is not a checkpoint: it holds a {type(loaded).__name__}")
    return loaded


def latest_valid(paths: Sequence[Path]) -> Path:
    """Return the first of some checkpoints, newest first, that is intact; say so if it is a later.

    Raises:
        CheckpointError: none is; says what is wrong with the newest that is there.
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


def sha256(path: Path) -> str:
    """Return the hex digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _valid_checksums(path: Path) -> list[str]:
    """Return the checksum of the file that is there; none if there is none, or it is damaged.

    A crash may have left several sums, the first of them of a file that never came to be. A file
    that has none beside it is taken for what it is: reading compares the sums inside it.
    """
    if not path.is_file():
        return []
    sums = _read_checksums(_checksum_path(path))
    if sums and sums == _written_checksums.get(path):
        return sums  # by this process: not hashed again
    found = sha256(path)
    return [found] if found in sums or not sums else []


def _keep_previous(path: Path, previous: Path, checksums: Sequence[str]) -> None:
    # By a second name for the same file, so that at no moment there is no checkpoint. As above,
    # both sums are valid until the second replacement is through.
    replace_text(
        _checksum_path(previous),
        _format_checksums([*checksums, *_valid_checksums(previous)], previous.name),
    )
    # Not the name under which files are filled: whoever opened this one to write to it would
    # write to the newest checkpoint.
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
        raise CheckpointError(
            f"{path} is not a checkpoint: truncated, or not written by train.py; use another"
        )
    with zipfile.ZipFile(path) as archive:
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
            raise CheckpointError(f"{path}: compressed, as no checkpoint of train.py is")
        damaged = archive.testzip()
    if damaged is not None:
        raise CheckpointError(f"{path} is truncated or altered (in {damaged}); use another")


def _checksum_path(path: Path) -> Path:
    return path.with_name(path.name + CHECKSUM_SUFFIX)


def _read_checksums(sidecar: Path) -> list[str]:
    if not sidecar.is_file():
        return []
    text = sidecar.read_text(errors="replace")
    return [line.split()[0] for line in text.splitlines() if line.strip()]


def _format_checksums(sums: Sequence[str], name: str) -> str:
    return "\n".join(f"{each}  {name}" for each in sums) + "\n"
