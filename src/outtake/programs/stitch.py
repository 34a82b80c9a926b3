"""Stitch: a clip goes in, and the background of each shot comes out as one picture."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from omegaconf import DictConfig

from outtake.config.infer_video_schema import InferVideoConfig
from outtake.config.instantiate import resolve_config
from outtake.config.schema import parse
from outtake.config.stitch_schema import StitchConfig
from outtake.core.errors import ConfigError, OutputError
from outtake.core.files import check_folder, replace_file, write_json
from outtake.core.signals import defer_signals
from outtake.data.decode_files import IMAGE_SUFFIXES
from outtake.labelled_video.project_folder import check_project
from outtake.pipeline.check_clip import check_clip
from outtake.pipeline.interruption import explain_oom, sigterm_as_interrupt
from outtake.pipeline.job import Job
from outtake.pipeline.mask_setup import find_masks, log_found, read_regions
from outtake.pipeline.setup import build_job, build_parts, input_paths
from outtake.pipeline.shown_fields import explain_shown_fields
from outtake.pipeline.stitch_clip import Unchanged, stitch_clip
from outtake.programs.infer_video import warn_of_ignored_keys
from outtake.programs.removal_inputs import check_checkpoint, expand_mask_path
from outtake.removal.stitching.kept_frames import Picture
from outtake.removal.stitching.open_shot import PlacedFrame, StitchedBackground
from outtake.removal.stitching.stitcher import BackgroundStitcher
from outtake.video.read.clip import open_clip
from outtake.video.read.inputs import STANDARD, VideoInput, expand_inputs
from outtake.video.read.stream_address import redact_address

FORMAT = 1
RECORD_NAME = "cameras.json"
_PICTURE_NAME = re.compile(r"shot_\d{3,}(_part_\d{2,})?\.png")
# A camera that turns or stands still leaves less than half of it, one that travels far more.
_FLAT_RESIDUAL_GREY = 5.0

log = logging.getLogger(__name__)


def stitch(cfg: DictConfig) -> Path:
    """Stitch the background of each shot of a clip as ``conf/stitch.yaml`` says.

    Returns:
        The output folder.

    Raises:
        OuttakeError: Something cannot work; it is found before any work if it can be known then.
            The pictures of the shots that had ended stay.
    """
    config = read_config(cfg)
    removal = config.as_removal()
    source, earlier = _check_files(config, removal)
    if config.checkpoint is not None and not removal.without_network:
        check_checkpoint(config.checkpoint)
    if config.labels is not None:
        check_project(Path(config.labels).expanduser())
    folder = config.output.expanduser()
    stitcher = BackgroundStitcher(config.samples, config.max_side_px, config.max_memory_mb)
    warn_of_ignored_keys(removal)
    record = BackgroundRecord(folder, source)
    with sigterm_as_interrupt(), explain_oom():
        job = _build_job(removal, source, folder)
        fields = explain_shown_fields(removal, job)
        if fields is not None and job.shown_fields is None:  # else it is an error
            log.warning("%s", fields)
        try:
            frames = stitch_clip(job, stitcher, record.add)
        except KeyboardInterrupt as interrupt:
            raise type(interrupt)(record.describe()) from None
    for path in earlier - {folder / one["file"] for one in record.pictures}:
        path.unlink(missing_ok=True)
    print(f"{_count(frames, 'frame')}, {_count(len(record.pictures), 'picture')}, "
          f"written to {folder}")  # fmt: skip
    return folder


def read_config(cfg: DictConfig) -> StitchConfig:
    """Check the config and return it; ``masks: PATH`` is ``masks: {path: PATH}``.

    Raises:
        ConfigError: A key or a value is not allowed.
    """
    return parse(StitchConfig, expand_mask_path(resolve_config(cfg), "stitch"))


class BackgroundRecord:
    """Writes pictures into a folder, and what is known of them and of their frames.

    ``cameras.json`` is written anew with each picture, so that it names those that are finished.

    Args:
        folder: The folder.
        source: The clip.
    """

    def __init__(self, folder: Path, source: VideoInput) -> None:
        self.pictures: list[dict[str, Any]] = []
        self._folder, self._source = folder, source

    def add(self, background: StitchedBackground) -> None:
        """Write a picture.

        Raises:
            OutputError: It cannot be written.
        """
        name = f"shot_{background.shot:03}{self._part(background.shot)}.png"
        address = self._source.address
        clip = redact_address(address) if address else self._source.path.name
        with defer_signals():  # a picture is there with what is known of it, or is not
            _save_picture(self._folder / name, background.picture)
            self.pictures.append(_describe(name, background))
            # A shot that goes on after a flash ends after it.
            self.pictures.sort(key=lambda one: (one["shot"], one["frames"][0]["frame"]))
            write_json(
                self._folder / RECORD_NAME,
                {"format": FORMAT, "clip": clip, "pictures": self.pictures},
            )
        for line in explain(name, background):
            log.warning("%s", line)

    def describe(self) -> str:
        """Return what is written so far, for a message."""
        count = len(self.pictures)
        if not count:
            return "no shot had ended, so nothing is written"
        verb = "is" if count == 1 else "are"
        return f"{_count(count, 'picture')} of shots that had ended {verb} in {self._folder}"

    def _part(self, shot: int) -> str:
        earlier = sum(one["shot"] == shot for one in self.pictures)
        return f"_part_{earlier + 1:02}" if earlier else ""


def explain(name: str, background: StitchedBackground) -> list[str]:
    """Return what a user should know of a picture, a line each."""
    lines = []
    residuals = [one.residual_grey for one in background.frames if one.residual_grey is not None]
    unplaced = len(background.frames) - 1 - len(residuals)
    if residuals and float(np.mean(residuals)) > _FLAT_RESIDUAL_GREY:
        lines.append(
            f"{name}: frames differ by {np.mean(residuals):.1f} grey levels where they overlap: "
            "the camera travels, or much moves; what one picture can show is a background that is "
            "flat or far away"
        )
    if not background.seen_share:
        lines.append(f"{name}: is transparent: all is removed in every frame of it")
    elif unplaced:
        lines.append(
            f"{name}: {unplaced} of {len(background.frames)} frames show too little that another "
            "shows; they were placed by the motion before them, and are not in the picture"
        )
    if background.scale > 1:
        lines.append(
            f"{name}: reduced to 1/{background.scale:.2f} of the frames' size; max_side_px= "
            "allows more"
        )
    return lines


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


def _describe(name: str, background: StitchedBackground) -> dict[str, Any]:
    height, width = background.picture.shape[:2]
    return {
        "file": name,
        "shot": background.shot,
        "width": width,
        "height": height,
        "bits": 8 * background.picture.itemsize,
        "reference_frame": background.reference,
        "scale": round(background.scale, 6),
        "seen_share": round(background.seen_share, 6),
        "frames": [_describe_frame(each) for each in background.frames],
    }


def _describe_frame(frame: PlacedFrame) -> dict[str, Any]:
    residual = frame.residual_grey
    return {
        "frame": frame.number,
        "time_s": round(float(frame.time_s), 6),
        "to_picture": [[float(f"{value:.12g}") for value in row] for row in frame.to_picture],
        "gain": [round(float(value), 5) for value in frame.light.gain],
        "offset": [round(float(value), 4) for value in frame.light.offset],
        "residual_grey": None if residual is None else round(residual, 3),
    }


def _save_picture(path: Path, picture: Picture) -> None:
    fine, data = cv2.imencode(".png", picture[..., [2, 1, 0, 3]])
    if not fine:
        raise OutputError(f"{path}: cannot be stored as PNG")
    replace_file(path, lambda file: file.write(data.tobytes()))


def _find_clip(config: StitchConfig) -> VideoInput:
    if config.input == STANDARD:
        raise ConfigError("input=-: standard input goes with outtake infer-video; name a file")
    value: str | Sequence[str] = config.input
    clips = expand_inputs(value if isinstance(value, str) else list(value))
    if len(clips) > 1:
        raise ConfigError(f"input={value}: is {len(clips)} clips; name one")
    return clips[0]


def _check_files(config: StitchConfig, removal: InferVideoConfig) -> tuple[VideoInput, set[Path]]:
    """Return the clip, and the pictures of an earlier run, which this one takes the place of.

    Raises:
        OuttakeError: The clip or the masks are not there, a region lies beside the picture, or the
            folder cannot be written to.
    """
    source = _find_clip(config)
    folder = config.output.expanduser()
    earlier = _check_output(folder, overwrite=config.overwrite)
    _check_no_input(folder, source, input_paths(removal, Unchanged()))
    if config.regions and not source.address:
        with open_clip(source, **vars(config.read)) as clip:
            for line in check_clip(clip.info, Unchanged(), read_regions(removal)):
                log.warning("%s", line)
    return source, earlier


def _check_output(folder: Path, *, overwrite: bool) -> set[Path]:
    """Return the pictures of an earlier run.

    Raises:
        OutputError: The folder cannot be written to, or there are some and they are to stay.
    """
    if folder.suffix and not folder.is_dir():
        raise OutputError(f"output={folder}: name a folder, without {folder.suffix}")
    check_folder(folder)
    if not folder.exists():
        return set()
    earlier = {path for path in folder.iterdir() if _PICTURE_NAME.fullmatch(path.name)}
    record = folder / RECORD_NAME
    first = record if record.exists() else min(earlier, default=None)
    if first is not None and not overwrite:
        raise OutputError(f"{first} exists; name another folder, or set overwrite=true")
    return earlier


def _check_no_input(folder: Path, source: VideoInput, read: Mapping[str, Sequence[Path]]) -> None:
    """Refuse a folder whose pictures are read, whatever ``overwrite`` says.

    Raises:
        OutputError: Images of the clip, masks or images of a further clip lie there.
    """
    own = os.path.realpath(folder)
    named = {"input": [*source.images], **read}
    for key, paths in named.items():
        images = (path for path in paths if path.suffix.lower() in IMAGE_SUFFIXES)
        if any(os.path.realpath(path.expanduser().parent) == own for path in images):
            raise OutputError(
                f"output={folder}: pictures that are read lie there ({key}=); name another folder"
            )


def _build_job(removal: InferVideoConfig, source: VideoInput, folder: Path) -> Job:
    remover = Unchanged()
    masks = None
    if removal.masks.path is not None:
        found = find_masks(removal, source)
        log_found(found)
        masks = found.source
    parts = build_parts(removal, remover)
    return build_job(removal, parts, source, folder, masks)
