"""A trained network as one zip file that is safe to read from anyone.

Nothing is ever unpacked: members are read by their fixed names, limited in size, and compared with
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
# The earliest time that a zip can state, so that the same content gives the same bytes.
_FIXED_TIMESTAMP = (1980, 1, 1, 0, 0, 0)


def write_archive(
    path: Path, checkpoint: Mapping[str, Any], extra_files: Mapping[str, bytes]
) -> None:
    """Write an archive, whole or not at all.

    Args:
        path: The path of the zip file.
        checkpoint: A checkpoint from :func:`outtake.training.checkpoint_files.read_checkpoint`.
        extra_files: The contents of further members, by name.

    Raises:
        OutputError: It cannot be written.
    """
    record = checkpoint["outtake"]
    weights = {name: tensor.contiguous() for name, tensor in checkpoint["state_dict"].items()}
    members = {
        CONFIG_FILE: str(record["config"]).encode(),
        LABELS_FILE: _to_json(record["labels"]),
        WEIGHTS_FILE: safetensors.torch.save(weights),
        **extra_files,
    }
    manifest = {
        "format": ARCHIVE_FORMAT,
        "record_format": record["format"],
        "version": record["version"],
        "channels": record["channels"],
        "short_side": record["short_side"],
        "sample_range": record.get("sample_range"),
        "further_inputs": record.get("further_inputs", []),
        "clip": record.get("clip"),
        "refine": record.get("refine"),
        "further_labels": record.get("further_labels", []),
        "divisions": record.get("divisions", []),
        "epoch": int(checkpoint.get("epoch", 0)),
        "sha256": {name: hashlib.sha256(content).hexdigest() for name, content in members.items()},
    }

    def write(file: IO[bytes]) -> None:
        with zipfile.ZipFile(file, "w") as archive:
            for name, content in {MODEL_FILE: _to_json(manifest), **members}.items():
                # Weights do not shrink, and an unpacked member cannot be a zip bomb.
                packed = name.endswith((".json", ".jsonl", ".yaml", ".md", ".html"))
                entry = zipfile.ZipInfo(name, _FIXED_TIMESTAMP)
                entry.external_attr = (stat.S_IFREG | 0o644) << 16
                entry.compress_type = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
                archive.writestr(entry, content)

    replace_file(path, write)


def read_archive(path: Path) -> dict[str, Any]:
    """Read an archive into the form of a checkpoint: ``outtake``, ``state_dict`` and ``epoch``.

    Raises:
        CheckpointError: The file is missing, damaged, altered, or not of :func:`write_archive`.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file; give a .zip of outtake export")
    try:
        with zipfile.ZipFile(path) as archive:
            _check_members(path, archive)
            manifest = json.loads(_read_member(archive, MODEL_FILE, _MAX_TEXT_BYTES))
            if manifest["format"] != ARCHIVE_FORMAT:
                raise CheckpointError(
                    f"{path} has format {manifest['format']}, this version reads {ARCHIVE_FORMAT}"
                )
            limits = {CONFIG_FILE: _MAX_TEXT_BYTES, LABELS_FILE: _MAX_TEXT_BYTES}
            limits[WEIGHTS_FILE] = path.stat().st_size
            members = {name: _read_member(archive, name, limit) for name, limit in limits.items()}
        for name, content in members.items():
            if hashlib.sha256(content).hexdigest() != manifest["sha256"][name]:
                raise CheckpointError(f"{path}: {name} is not what model.json says: altered")
        return {
            "outtake": {
                "format": manifest["record_format"],
                "version": manifest["version"],
                "config": members[CONFIG_FILE].decode(),
                "labels": json.loads(members[LABELS_FILE]),
                "channels": manifest["channels"],
                "short_side": manifest["short_side"],
                "sample_range": manifest.get("sample_range"),
                "further_inputs": manifest.get("further_inputs", []),
                "clip": manifest.get("clip"),
                "refine": manifest.get("refine"),
                "further_labels": manifest.get("further_labels", []),
                "divisions": manifest.get("divisions", []),
            },
            "state_dict": _load_weights(members[WEIGHTS_FILE]),
            "epoch": int(manifest["epoch"]),
        }
    except CheckpointError:
        raise
    # A damaged archive, JSON or header may raise nearly anything on the way.
    except Exception as error:
        raise CheckpointError(
            f"{path} cannot be read: damaged, or not written by outtake export "
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
                f"{path}: its member {entry.filename!r} leads out of a folder, as in no file of "
                "outtake export"
            )


def _read_member(archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    entry = archive.getinfo(name)
    if name == WEIGHTS_FILE and entry.compress_type != zipfile.ZIP_STORED:
        raise CheckpointError(
            f"{archive.filename}: {name} is packed, which outtake export never does"
        )
    with archive.open(entry) as member:
        # The size that comes out counts, not the one that the entry states.
        content = member.read(limit + 1)
    if len(content) > limit:
        raise CheckpointError(f"{archive.filename}: {name} is over {limit} bytes")
    return content


def _load_weights(content: bytes) -> dict[str, torch.Tensor]:
    return dict(safetensors.torch.load(content))


def _to_json(record: Any) -> bytes:
    return (json.dumps(record, indent=2, allow_nan=False) + "\n").encode()
