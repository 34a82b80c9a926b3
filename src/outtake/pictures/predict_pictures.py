"""Pictures in, files out: read ahead, label those of one size together, write, keep a record."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from outtake.core.errors import DataRootError, SizeMismatchError, UnreadableImageError
from outtake.core.files import sha256_of_file
from outtake.core.types import Frame, LabelMap
from outtake.data.decode_files import UNREADABLE_ADVICE
from outtake.data.further_inputs import count_channels
from outtake.data.sample_range import SampleRange
from outtake.pictures.class_shares import class_shares
from outtake.pictures.find_pictures import PictureFile
from outtake.pictures.prediction import Prediction
from outtake.pictures.prediction_record import (
    PictureRecord,
    PredictionRecord,
    source_identity,
    source_path,
)
from outtake.pictures.read_picture import Picture, read_picture
from outtake.pictures.remove_from_picture import PictureRemoval
from outtake.pictures.write_predictions import (
    SUFFIXES,
    Output,
    output_path,
    removed_path,
    write_label_outputs,
)
from outtake.pipeline.stage_threads import StageThreads

if TYPE_CHECKING:
    from outtake.pictures.predictor import Predictor

# Pictures that wait for others of their size, and are labelled together, have so many pixels.
_MAX_WAITING_PIXELS = 1 << 24

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PictureTask:
    """What is made of pictures.

    Attributes:
        folder: The output folder.
        output_names: What is written of each.
        predictor: Labels them; None where no labels are needed.
        limits: The samples that the network sees as 0 and 255, if the user named them; None takes
            those of training, or else finds them by the depth.
        removal: What is taken out of them; None for nothing.
        min_area: See :func:`outtake.pictures.write_predictions.write_label_outputs`.
        simplify_px: See there.
        min_confidence: The probability below which a pixel has no label in what is written.
        further: The files of the further inputs of each picture, by its name, in the order of the
            network's.
    """

    folder: Path
    output_names: tuple[Output, ...]
    predictor: Predictor | None = None
    limits: SampleRange | None = None
    removal: PictureRemoval | None = None
    min_area: float = 0.0
    simplify_px: float = 0.0
    min_confidence: float = 0.0
    further: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)

    @property
    def known_range(self) -> SampleRange | None:
        """The samples that the network sees as 0 and 255, where pictures do not tell them."""
        if self.limits is None and self.predictor is not None:
            return self.predictor.trained.sample_range
        return self.limits

    def identity(self, file: PictureFile) -> tuple[int, ...]:
        """Return sizes and times of change of all that is made into this picture's files."""
        masks = None if self.removal is None else self.removal.masks
        mask = None if masks is None else masks.paths.get(file.name)
        return source_identity(
            file.path, *([mask] if mask else []), *self.further.get(file.name, ())
        )

    def see(self, file: PictureFile, picture: Picture) -> Frame | None:
        """Return what the network sees of a picture, uint8 (H, W, C); None without a network.

        Raises:
            UnreadableImageError: The channels or the samples are others, or a file cannot be read.
            OuttakeError: A further input is of another size, or has other channels.
        """
        if self.predictor is None:
            return None
        trained = self.predictor.trained
        own = trained.channels - count_channels(trained.further_inputs)
        seen = picture.for_network(own, self.known_range)
        files = self.further.get(file.name, ())
        parts = [
            each.read(path, picture.size, file.path)
            for each, path in zip(trained.further_inputs, files, strict=True)
        ]
        return np.concatenate([seen, *parts], axis=2) if parts else seen


@dataclass(frozen=True)
class _ReadPicture:
    """A picture that was read, with the SHA-256 of its file, or the reason why not."""

    file: PictureFile
    picture: Picture | None = None
    seen: Frame | None = None
    digest: str = ""
    reason: str = ""


@dataclass
class TaskResult:
    """What became of pictures.

    Attributes:
        made: How many were made.
        skipped: Those that could not be, each with the reason.
    """

    made: int = 0
    skipped: list[tuple[PictureFile, str]] = field(default_factory=list)


def predict_pictures(
    files: Sequence[PictureFile],
    task: PictureTask,
    record: PredictionRecord,
    on_picture: Callable[[], object] = lambda: None,
) -> TaskResult:
    """Make everything of every picture; one that cannot be read is skipped with a line.

    Args:
        files: The pictures.
        task: What is made of them.
        record: Takes each picture as soon as its files are in their place.
        on_picture: Called after each picture, made or not.

    Raises:
        OuttakeError: A file cannot be written, or a picture does not fit into memory.
    """
    result = TaskResult()
    with StageThreads() as stages:
        reader = stages.run("read", (_read(file, task) for file in files))
        for batch in _group_by_size(reader, task.predictor.batch_size if task.predictor else 1):
            predictions = _label(batch, task)
            for item, prediction in zip(batch, predictions, strict=True):
                try:
                    if item.picture is None:
                        raise UnreadableImageError(item.reason)
                    planned = _plan(item.file, item.picture, item.digest, task)
                    record.begin(planned)
                    record.add(_make(item.file, item.picture, prediction, task, planned))
                    result.made += 1
                except UnreadableImageError as error:
                    reason = str(error).removesuffix(UNREADABLE_ADVICE)
                    log.warning("skipped %s: %s", item.file.relative, reason)
                    record.mark_unmade(item.file)
                    result.skipped.append((item.file, reason))
                on_picture()
    return result


def _read(file: PictureFile, task: PictureTask) -> _ReadPicture:
    try:
        picture = read_picture(file.path)
        seen = task.see(file, picture)
        digest = sha256_of_file(file.path)
    except (UnreadableImageError, DataRootError, SizeMismatchError, OSError) as error:
        return _ReadPicture(file, reason=str(error))
    return _ReadPicture(file, picture, seen, digest)


def _group_by_size(items: Iterable[_ReadPicture], batch_size: int) -> Iterator[list[_ReadPicture]]:
    """Yield batches of pictures of one size; what was not read comes alone."""
    waiting: dict[tuple[int, int], list[_ReadPicture]] = defaultdict(list)
    pixels = 0
    for item in items:
        if item.picture is None:
            yield [item]
            continue
        height, width = item.picture.size
        group = waiting[height, width]
        group.append(item)
        pixels += height * width
        if len(group) == batch_size:
            pixels -= len(group) * height * width
            yield waiting.pop((height, width))
        while pixels > _MAX_WAITING_PIXELS:
            size = max(waiting, key=lambda each: len(waiting[each]) * each[0] * each[1])
            pixels -= len(waiting[size]) * size[0] * size[1]
            yield waiting.pop(size)
    yield from waiting.values()


def _label(batch: Sequence[_ReadPicture], task: PictureTask) -> list[Prediction | None]:
    seen = [item.seen for item in batch if item.seen is not None]
    if task.predictor is None or not seen:
        return [None] * len(batch)
    found = task.predictor(np.stack(seen))
    sure = [None] * len(seen) if found.confidence is None else found.confidence
    return [
        Prediction(labels, confidence, found.label_space)
        for labels, confidence in zip(found.labels, sure, strict=True)
    ]


def _plan(file: PictureFile, picture: Picture, digest: str, task: PictureTask) -> PictureRecord:
    """Return the line of a picture before anything is written: which files there will be."""
    height, width = picture.size
    paths: list[Path] = []
    notes = tuple[str, ...]()
    if "removed" in task.output_names and task.removal is not None:
        stored = task.removal.plan(picture)
        paths.append(removed_path(task.folder, file, stored.suffix))
        notes = stored.notes
    paths += [
        output_path(task.folder, output, file) for output in task.output_names if output in SUFFIXES
    ]
    return PictureRecord(
        file.relative.as_posix(),
        source_path(file.path, task.folder),
        digest,
        task.identity(file),
        width,
        height,
        tuple(path.relative_to(task.folder).as_posix() for path in paths),
        notes=notes,
    )


def _make(
    file: PictureFile,
    picture: Picture,
    prediction: Prediction | None,
    task: PictureTask,
    planned: PictureRecord,
) -> PictureRecord:
    """Write everything of one picture and return its line of the record."""
    removed, shares, notes = None, None, planned.notes
    if "removed" in task.output_names and task.removal is not None:
        target = task.folder / planned.files[0]
        removed = task.removal.write(target, file, picture, prediction)
    if prediction is not None:
        notes += _describe_range(picture, task)
        labels = _sure_labels(prediction, task.min_confidence)
        if not (labels != prediction.label_space.ignore_index).any():
            notes += (f"no pixel reaches min_confidence={task.min_confidence:g}",)
        shares = class_shares(labels, prediction.label_space.names)
        labelled = tuple(output for output in task.output_names if output in SUFFIXES)
        write_label_outputs(
            task.folder, file, _picture_to_show(picture, task.known_range), labels,
            prediction.label_space, labelled,
            min_area=task.min_area, simplify_px=task.simplify_px,
        )  # fmt: skip
    return replace(planned, shares=shares, removed=removed, notes=notes)


def _sure_labels(prediction: Prediction, min_confidence: float) -> LabelMap:
    """Return the labels, without those that the network is not sure of."""
    if not min_confidence:
        return prediction.labels
    assert prediction.confidence is not None
    ignored = np.uint8(prediction.label_space.ignore_index)
    return np.where(prediction.confidence >= min_confidence, prediction.labels, ignored)


def _describe_range(picture: Picture, task: PictureTask) -> tuple[str, ...]:
    """Return what the network sees as black and white, where the user did not name it."""
    chosen, by_depth = picture.find_range(task.known_range), picture.find_range(None)
    if task.limits is not None or (chosen is None and by_depth is None):
        return ()
    what = f"samples of {picture.samples.dtype}: "
    if chosen is None:
        what += "their high byte is what the network sees, as in training"
    else:
        what += f"the network sees {chosen.low:g} as black and {chosen.high:g} as white"
        what += ", as in training" if chosen is task.known_range else ""
    return (f"{what}; set range=[low,high] to choose other values",)


def _picture_to_show(picture: Picture, limits: SampleRange | None) -> Frame:
    """Return a picture for people, uint8 (H, W, 3); of many channels the first three."""
    if picture.image is not None and picture.find_range(limits) is None:
        return picture.image
    seen = picture.for_network(picture.samples.shape[2], limits)
    return np.ascontiguousarray(seen[..., :3] if seen.shape[2] >= 3 else seen[..., [0, 0, 0]])
