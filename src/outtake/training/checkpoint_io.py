"""How a checkpoint reaches the disk: whole or not at all, with its checksum beside it."""

from __future__ import annotations

import hashlib
import os
import pickle
from pathlib import Path
from typing import IO, Any

import torch
from lightning_fabric.plugins.io.torch_io import TorchCheckpointIO

from outtake.errors import CheckpointError
from outtake.files import replace_file, replace_text

CHECKSUM_SUFFIX = ".sha256"


class AtomicCheckpointIO(TorchCheckpointIO):
    """Lightning's checkpoint plugin, made safe against a crash, a full disk and bit rot.

    Lightning writes through a temporary folder, which may be on another file system: a full disk
    then leaves the old checkpoint truncated. Here the new one is written beside the old and
    replaces it in one step.
    """

    def save_checkpoint(
        self,
        checkpoint: dict[str, Any],
        path: str | os.PathLike[str],
        storage_options: Any | None = None,
    ) -> None:
        """Write ``path`` and ``path.sha256``."""
        save_checkpoint(checkpoint, Path(path))

    def load_checkpoint(
        self,
        path: str | os.PathLike[str],
        map_location: Any | None = None,
        weights_only: bool | None = None,
    ) -> dict[str, Any]:
        """Read plain containers and tensors, never objects, whatever ``weights_only`` says."""
        return read_checkpoint(Path(path), map_location="cpu")


def save_checkpoint(checkpoint: dict[str, Any], path: Path) -> None:
    """Write a checkpoint beside its target, then replace the target.

    Raises:
        OutputError: the disk is full or the folder can not be written; what was there stays.
    """
    sidecar = path.with_name(path.name + CHECKSUM_SUFFIX)
    # Between the two replacements a crash may leave either file; both sums are valid then.
    former = sidecar.read_text().splitlines()[:1] if sidecar.is_file() else []

    def write(file: IO[bytes]) -> None:
        torch.save(checkpoint, file)
        file.flush()
        digest.append(sha256(Path(file.name)))
        replace_text(sidecar, "\n".join([f"{digest[0]}  {path.name}", *former]) + "\n")

    digest: list[str] = []
    replace_file(path, write)
    replace_text(sidecar, f"{digest[0]}  {path.name}\n")


def read_checkpoint(path: Path, map_location: str = "cpu") -> dict[str, Any]:
    """Read a checkpoint after comparing its checksum, if there is one beside it.

    Raises:
        CheckpointError: missing, truncated, altered, or holding more than plain data.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: no such checkpoint; give a run folder or a .ckpt file")
    sidecar = path.with_name(path.name + CHECKSUM_SUFFIX)
    if sidecar.is_file():
        allowed = {line.split()[0] for line in sidecar.read_text().splitlines() if line.strip()}
        if sha256(path) not in allowed:
            raise CheckpointError(
                f"{path} does not match {sidecar.name}: truncated or altered; use another"
            )
    try:
        loaded = torch.load(path, map_location=map_location, weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path} is not a plain checkpoint: truncated, or holding objects that are never "
            "loaded; use one that train.py wrote"
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise CheckpointError(
            f"{path} can not be read: truncated or not a checkpoint ({type(error).__name__}); "
            "use another one"
        ) from error
    if not isinstance(loaded, dict):
        raise CheckpointError(f"{path} is not a checkpoint: it holds a {type(loaded).__name__}")
    return loaded


def sha256(path: Path) -> str:
    """Return the hex digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
