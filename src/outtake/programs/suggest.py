"""Suggest which frames of a clip to label next: a list, and a contact sheet of them."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from omegaconf import DictConfig

from outtake.config.load_ensemble import Trained, load_one_or_several, members_of, with_short_side
from outtake.config.program_options import read_options
from outtake.config.suggest_schema import SuggestOptions
from outtake.core.device import resolve_device
from outtake.core.errors import ConfigError
from outtake.core.files import check_folder, write_json
from outtake.core.labels import LabelSpace
from outtake.core.progress import frame_bar
from outtake.core.types import Frame, LabelMap, TimedFrame
from outtake.data.further_inputs import count_channels, from_files
from outtake.drawing.label_pictures import draw_contact_sheet, overlay_labels, save_png
from outtake.inference.clip_predictor import ClipPredictor, find_scale
from outtake.inference.open_backend import open_backend
from outtake.labelled_video.frame_suggestion import FrameState, Suggestion, suggest_frames
from outtake.pipeline.further_clips import attach_residual, plate_offsets
from outtake.pipeline.known_clip import is_clip
from outtake.pipeline.network_setup import calibration_images
from outtake.programs.library_warnings import quiet_libraries
from outtake.video.read.clip import open_clip
from outtake.video.read.inputs import VideoInput, expand_inputs

FORMAT = 1
_CELL_PX = 400

log = logging.getLogger(__name__)


def suggest(cfg: DictConfig) -> Path:
    """Suggest frames as ``conf/suggest.yaml`` says, and print them.

    Returns:
        The path of ``suggestions.json``; ``suggestions.png`` lies beside it.

    Raises:
        OuttakeError: The clip or the checkpoint cannot be used; nothing is written then.
    """
    quiet_libraries()
    options = read_options(SuggestOptions, cfg)
    clip = _find_clip(options.input)
    trained = load_one_or_several(options.checkpoint, resolve_device(options.device))
    trained = with_short_side(trained, options.network.short_side)
    if given := from_files(trained.further_inputs):
        raise ConfigError(
            f"the network takes {given[0].name} from files, and outtake suggest reads the clip "
            "alone; train without data.further_inputs that have files"
        )
    folder = options.output or members_of(trained)[0].run_folder
    check_folder(folder)
    ids = _find_ids(trained.labels, options.classes)
    labelled = _labelled_frames(clip, trained)
    states, masks = _look_at(clip, _build_labeller(options, trained, ids), trained, ids)
    found = suggest_frames(states, options.count, labelled=labelled, distance=options.distance)
    record = {
        "format": FORMAT,
        "clip": clip.path.name,
        "checkpoint_sha256": trained.sha256,
        "classes": [trained.labels.names[each] for each in ids],
        "labelled": sorted(labelled),
        "suggestions": [
            {"frame": each.frame, "uncertainty": _round(each.uncertainty), "why": each.why}
            for each in found
        ],
        "frames": [
            {"frame": number, "uncertainty": _round(state.uncertainty),
             "area": round(state.area, 6)}
            for number, state in enumerate(states)
        ],
    }  # fmt: skip
    path = folder / "suggestions.json"
    if found:
        save_png(path.with_suffix(".png"), _draw_sheet(clip, found, masks, trained.labels))
    else:
        path.with_suffix(".png").unlink(missing_ok=True)
    write_json(path, record)
    for each in found:
        print(f"label frame {each.frame} next: {each.why}")
    print(f"written to {path}" if found else f"no frame is unsure; written to {path}")
    return path


def _find_clip(value: str | Sequence[str]) -> VideoInput:
    clips = expand_inputs(value if isinstance(value, str) else list(value))
    if len(clips) > 1 or clips[0].address:
        what = "a stream" if clips[0].address else f"{len(clips)} clips"
        raise ConfigError(f"input={value}: is {what}; name one video or folder of images")
    return clips[0]


def _find_ids(labels: LabelSpace, names: Sequence[str]) -> tuple[int, ...]:
    """Return the ids of the classes whose masks matter.

    Raises:
        UnknownClassError: A name is not a class.
    """
    if names:
        return labels.ids(names, "classes")
    background = labels.background_id
    return tuple(each for each in range(len(labels.names)) if each != (background or 0))


def _labelled_frames(clip: VideoInput, trained: Trained) -> set[int]:
    if trained.clip is None:
        return set()
    if is_clip(clip, trained.clip):
        return set(trained.clip.labels)
    log.warning(
        "the network was trained on one clip, %s, and %s is another", trained.clip.name,
        clip.path.name,
    )  # fmt: skip
    return set()


def _build_labeller(
    options: SuggestOptions, trained: Trained, ids: tuple[int, ...]
) -> ClipPredictor:
    backend = open_backend(
        trained=trained,
        device=options.device,
        precision=options.network.precision,
        **options.network.passes(of_one_clip=trained.clip is not None),
        calibration=lambda: calibration_images(trained),
        **options.backend,
    )
    return ClipPredictor(
        backend,
        trained.labels,
        short_side=trained.short_side,
        channels=trained.channels,
        further_channels=count_channels(trained.further_inputs),
        batch_size=options.network.batch_size,
        uncertain_ids=ids,
        scale=find_scale(trained.sample_range),
    )


def _look_at(
    clip: VideoInput, labeller: ClipPredictor, trained: Trained, ids: tuple[int, ...]
) -> tuple[list[FrameState], list[NDArray[np.uint8]]]:
    """Return what the network says of each frame, and its labels as PNG, which take little."""
    states, packed = [], []
    with (
        open_clip(clip, high_bit_depth=False) as opened,
        frame_bar(clip.path.name, opened.info.frames) as bar,
    ):
        frames: Iterable[TimedFrame] = opened
        for offsets in plate_offsets(trained.further_inputs):
            frames = attach_residual(frames, offsets)
        for frame in labeller(frames):
            mask = np.isin(frame.labels, ids)
            states.append(FrameState(frame.uncertain_share, float(mask.mean())))
            packed.append(np.asarray(cv2.imencode(".png", frame.labels)[1]))
            bar.advance(bar.task_ids[0])
    return states, packed


def _draw_sheet(
    clip: VideoInput,
    found: Sequence[Suggestion],
    masks: Sequence[NDArray[np.uint8]],
    labels: LabelSpace,
) -> Frame:
    """Draw the suggested frames, each beside what the network says of it."""
    images = dict(_read_frames(clip, {each.frame for each in found}))
    rows = []
    for each in found:
        image = images[each.frame]
        said: LabelMap = np.asarray(cv2.imdecode(masks[each.frame], cv2.IMREAD_UNCHANGED))
        background = labels.background_id or 0
        rows.append([image, overlay_labels(image, said, labels.palette(), background=background)])
    return draw_contact_sheet(
        rows,
        ["frame", "what the network says"],
        row_titles=[f"frame {each.frame}" for each in found],
        title=f"{clip.path.name}: label next",
        cell_width_px=_CELL_PX,
    )


def _read_frames(clip: VideoInput, numbers: set[int]) -> Iterator[tuple[int, Frame]]:
    with open_clip(clip, high_bit_depth=False) as opened:
        for number, frame in enumerate(opened):
            if number in numbers:
                yield number, frame.image.copy()
            if number == max(numbers):
                return


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
