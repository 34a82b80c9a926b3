"""The weights that ``init_from`` names: of a run, of a checkpoint, or of any file of weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from outtake.config.load_trained import find_checkpoint, read_checkpoint_or_archive
from outtake.core.errors import CheckpointError
from outtake.core.files import sha256_of_file
from outtake.core.torch_files import is_legacy
from outtake.models.weight_files import find_state, read_weights
from outtake.training.initial_weights import InitialWeights, name_initial_key

_KEY = "init_from"
_CHECKPOINT_SUFFIXES = (".ckpt", ".zip")
_NET, _NORMALISATION = "net.", "normalize."


def find_initial_file(init_from: str, key: str = _KEY) -> Path:
    """Return the file that ``init_from`` means.

    Args:
        init_from: See :func:`read_initial_weights`.
        key: The option that says so, for messages.

    Raises:
        CheckpointError: There is none.
    """
    try:
        path = find_checkpoint(init_from)
    except CheckpointError as error:
        raise CheckpointError(f"{key}: {error}") from error
    if not path.is_file():
        raise CheckpointError(
            f"{key}={init_from}: no such file; give a run folder, a checkpoint or a file of weights"
        )
    return path


def find_initial_files(init_from: str | Mapping[str, str]) -> None:
    """Raise a CheckpointError unless there is every file that ``init_from`` means."""
    for name, each in _list_parts(init_from).items():
        find_initial_file(each, name_initial_key(name))


def read_members_weights(init_from: str | Mapping[str, str]) -> dict[str, InitialWeights]:
    """Read what a network, or each member of a late fusion, begins from.

    Args:
        init_from: See :func:`read_initial_weights`; or one for each member by its name.

    Returns:
        The weights by the names of members; under an empty name those of the network itself.

    Raises:
        CheckpointError, WeightsError: As there.
    """
    return {
        name: read_initial_weights(each, name_initial_key(name))
        for name, each in _list_parts(init_from).items()
    }


def _list_parts(init_from: str | Mapping[str, str]) -> Mapping[str, str]:
    return {"": init_from} if isinstance(init_from, str) else init_from


def read_initial_weights(init_from: str, key: str = _KEY) -> InitialWeights:
    """Read the weights, as tensors and plain containers only.

    Args:
        init_from: A run folder, a checkpoint, a ``.zip`` of ``outtake export``, or a bare file
            of weights (``.pth``, ``.safetensors``).
        key: The option that says so, for messages.

    Raises:
        CheckpointError: There is none, or the checkpoint is damaged.
        WeightsError: A bare file cannot be read, or the file holds no state dict.
    """
    path = find_initial_file(init_from, key)
    if path.suffix not in _CHECKPOINT_SUFFIXES or is_legacy(path):
        return InitialWeights(path, sha256_of_file(path), read_weights(path, key))
    try:
        checkpoint = read_checkpoint_or_archive(path, beside_records=True)
    except CheckpointError as error:
        raise CheckpointError(f"{key}: {error}") from error
    state = find_state(checkpoint, f"{key}={path}")
    record = checkpoint.get("outtake")
    if not isinstance(record, Mapping):
        return InitialWeights(path, sha256_of_file(path), state)
    return InitialWeights(
        path,
        sha256_of_file(path),
        _part(state, _NET),
        channels=_channels(record),
        classes=_classes(record),
        normalisation=_part(state, _NORMALISATION),
    )


def _part(state: Mapping[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {
        key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)
    }


def _channels(record: Mapping[str, Any]) -> int | None:
    channels = record.get("channels")
    return channels if isinstance(channels, int) else None


def _classes(record: Mapping[str, Any]) -> tuple[str, ...] | None:
    labels = record.get("labels")
    names = labels.get("names") if isinstance(labels, Mapping) else None
    return tuple(map(str, names)) if isinstance(names, list) else None
