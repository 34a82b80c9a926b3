"""Whether what is to be written may take its place: nothing of others is replaced unasked."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from outtake.core.errors import OutputError, UnreadableImageError
from outtake.pictures.find_pictures import PictureFile
from outtake.pictures.predict_pictures import PictureTask
from outtake.pictures.prediction_record import (
    RECORD_NAME,
    PictureRecord,
    PredictionRecord,
    source_path,
)
from outtake.pictures.read_picture import read_picture
from outtake.pictures.write_predictions import SUFFIXES, output_path, removed_path

_ADVICE = "name another output, or set overwrite=true to replace it"


def claim_outputs(
    files: Sequence[PictureFile], task: PictureTask, record: PredictionRecord, *, overwrite: bool
) -> None:
    """Refuse to replace what was made of other pictures, and files that no call has made.

    Args:
        files: The pictures.
        task: What is made of them.
        record: What was made before.
        overwrite: Let it be replaced, and make all of the pictures again.

    Raises:
        OutputError: Something would be replaced that is not of the picture.
    """
    owners = record.find_owners()
    for file in files:
        name = file.relative.as_posix()
        known = record.entries.get(name)
        if known is not None and not overwrite and not known.is_of(file.path, task.folder):
            made_of = os.path.normpath(task.folder / known.source)
            raise OutputError(
                f"{task.folder} has {name} of another picture, {made_of}, and not of {file.path}; "
                f"{_ADVICE}"
            )
        if not overwrite and record.is_done(file, task.output_names, task.identity(file)):
            continue
        there = []
        for target in _find_existing(file, task):
            place = target.relative_to(task.folder).as_posix()
            owner = owners.get(place)
            there.append(place)
            if owner is not None and owner.picture == name:
                continue
            if not overwrite:
                raise OutputError(_explain(target, owner))
            if owner is not None:
                record.entries.pop(owner.picture, None)
        if overwrite and (there or known is not None):
            blank = PictureRecord(name, source_path(file.path, task.folder), "", (), 0, 0, ())
            record.entries[name] = blank.as_unmade(
                *(() if known is None else (*known.files, *known.earlier)), *there
            )


def _find_existing(file: PictureFile, task: PictureTask) -> Iterator[Path]:
    """Yield the files that are there, and in whose place something of a picture would be."""
    for output in task.output_names:
        if output in SUFFIXES:
            target = output_path(task.folder, output, file)
            if target.exists():
                yield target
    if "removed" not in task.output_names or task.removal is None:
        return
    suffixes = dict.fromkeys((file.path.suffix, ".png"))
    if not any(removed_path(task.folder, file, suffix).exists() for suffix in suffixes):
        return
    # Only the picture itself tells in which format it comes back.
    try:
        plan = task.removal.plan(read_picture(file.path))
    except UnreadableImageError:  # it is skipped with a line, as others are
        return
    target = removed_path(task.folder, file, plan.suffix)
    if target.exists():
        yield target


def _explain(target: Path, owner: PictureRecord | None) -> str:
    if owner is not None:
        return f"{target} was made of another picture, {owner.picture}; {_ADVICE}"
    return f"{target} exists, and no {RECORD_NAME} beside it says how it was made; {_ADVICE}"
