"""A trained network as one zip that anybody can open and nobody has to trust.

Nothing is ever unpacked: members are read by their fixed names, bounded in size, and compared with
the digests in ``model.json``. Weights are safetensors, the rest is text.
"""

from __future__ import annotations

import hashlib
import json
import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import IO, Any

import safetensors.torch
import torch

from outtake.core.errors import CheckpointError
from outtake.core.files import replace_file

ARCHIVE_FORMAT = 1
MODEL_FILE, CONFIG_FILE, LABELS_FILE, WEIGHTS_FILE = (
    "model.json",
    "config.yaml",
    "labels.json",
    "weights.safetensors",
)
_MAX_TEXT_BYTES = 4 * 2**20
_MAX_MEMBERS = 1000
_FIXED_TIMESTAMP = (
    1980,
    1,
    1,
    0,
    0,
    0,
)  # the earliest that a zip can say: same content, same bytes


def write_archive(
    path: Path, checkpoint: Mapping[str, Any], extra_files: Mapping[str, bytes]
) -> None:
    """Write a bundle, whole or not at all.

    Args:
        path: the zip.
        checkpoint: as :func:`outtake.training.checkpoint_files.read_checkpoint` gives it.
        extra_files: what else goes in, by name.

    Raises:
        OutputError: it can not be written.
    """
    record = checkpoint["outtake"]
    weights = {name: tensor.contiguous() for name, tensor in checkpoint["state_dict"].items()}
    members = {
        CONFIG_FILE: str(record["config"]).encode(),
        LABELS_FILE: _to_json(record["labels"]),
        WEIGHTS_FILE: safetensors.torch.save(weights),
        **extra_files,
    }
    about = {
        "format": ARCHIVE_FORMAT,
        "record_format": record["format"],
        "version": record["version"],
        "channels": record["channels"],
        "short_side": record["short_side"],
        "epoch": int(checkpoint.get("epoch", 0)),
        "sha256": {name: hashlib.sha256(content).hexdigest() for name, content in members.items()},
    }

    def write(file: IO[bytes]) -> None:
        with zipfile.ZipFile(file, "w") as archive:
            for name, content in {MODEL_FILE: _to_json(about), **members}.items():
                # Weights do not shrink, and what is not packed can not be a bomb.
                packed = name.endswith((".json", ".jsonl", ".yaml", ".md", ".html"))
                entry = zipfile.ZipInfo(name, _FIXED_TIMESTAMP)
                entry.external_attr = (stat.S_IFREG | 0o644) << 16
                entry.compress_type = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
                archive.writestr(entry, content)

    replace_file(path, write)


def read_archive(path: Path) -> dict[str, Any]:
    """Read a bundle into the shape of a checkpoint: ``outtake``, ``state_dict`` and ``epoch``.

    Raises:
        CheckpointError: missing, damaged, altered, or not what :func:`write_archive` writes.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: no such bundle; give a .zip of export.py")
    try:
        with zipfile.ZipFile(path) as archive:
            _check_members(path, archive)
            about = json.loads(_read_member(archive, MODEL_FILE, _MAX_TEXT_BYTES))
            if about["format"] != ARCHIVE_FORMAT:
                raise CheckpointError(
                    f"{path} has format {about['format']}, this version reads {ARCHIVE_FORMAT}"
                )
            limits = {CONFIG_FILE: _MAX_TEXT_BYTES, LABELS_FILE: _MAX_TEXT_BYTES}
            limits[WEIGHTS_FILE] = path.stat().st_size
            members = {name: _read_member(archive, name, limit) for name, limit in limits.items()}
        for name, content in members.items():
            if hashlib.sha256(content).hexdigest() != about["sha256"][name]:
                raise CheckpointError(f"{path}: {name} is not what model.json says: altered")
        return {
            "outtake": {
                "format": about["record_format"],
                "version": about["version"],
                "config": members[CONFIG_FILE].decode(),
                "labels": json.loads(members[LABELS_FILE]),
                "channels": about["channels"],
                "short_side": about["short_side"],
            },
            "state_dict": _load_weights(members[WEIGHTS_FILE]),
            "epoch": int(about["epoch"]),
        }
    except CheckpointError:
        raise
    # A damaged archive, JSON or header may raise nearly anything on the way.
    except Exception as error:
        raise CheckpointError(
            f"{path} can not be read: damaged, or not written by export.py "
            f"({type(error).__name__}: {error})"
        ) from error


def _check_members(path: Path, archive: zipfile.ZipFile) -> None:
    entries = archive.infolist()
    names = [entry.filename for entry in entries]
    if len(names) > _MAX_MEMBERS or len(names) != len(set(names)):
        raise CheckpointError(f"{path}: too many members, or two of one name")
    for entry in entries:
        parts = PurePosixPath(entry.filename.replace("\\", "/")).parts
        kind = stat.S_IFMT(entry.external_attr >> 16)
        outside = not parts or ".." in parts or parts[0] == "/" or ":" in parts[0]
        if outside or kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise CheckpointError(
                f"{path}: its member {entry.filename!r} leads out of a folder; not of export.py"
            )


def _read_member(archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    entry = archive.getinfo(name)
    if name == WEIGHTS_FILE and entry.compress_type != zipfile.ZIP_STORED:
        raise CheckpointError(f"{archive.filename}: {name} is packed, as export.py never does")
    with archive.open(entry) as member:
        # Not what the entry says of its size, but what comes out.
        content = member.read(limit + 1)
    if len(content) > limit:
        raise CheckpointError(f"{archive.filename}: {name} is over {limit} bytes")
    return content


def _load_weights(content: bytes) -> dict[str, torch.Tensor]:
    return dict(safetensors.torch.load(content))


def _to_json(record: Any) -> bytes:
    return (json.dumps(record, indent=2, allow_nan=False) + "\n").encode()
