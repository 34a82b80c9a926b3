"""Predict: pictures go in; labels, overlays and pictures without what was removed come out."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from outtake.config.compose import list_changed
from outtake.config.instantiate import instantiate
from outtake.config.predict_schema import PredictConfig, made_with
from outtake.config.shared_schema import FILL_OPTIONS, list_names
from outtake.core.errors import ConfigError, OutputError, UnreadableImageError
from outtake.core.files import check_folder, sha256_of_file
from outtake.core.progress import progress_bar
from outtake.core.trees import flatten
from outtake.data.decode_files import IMAGE_SUFFIXES
from outtake.data.further_inputs import explain_difference, find_input_files
from outtake.data.sample_range import read_range_option
from outtake.masking.mask_values import MaskValueOptions
from outtake.masking.policy import MaskPolicy
from outtake.masking.regions import Region
from outtake.pictures.claim_outputs import claim_outputs
from outtake.pictures.class_shares import write_shares
from outtake.pictures.find_pictures import FoundPictures, PictureFile, find_pictures
from outtake.pictures.picture_masks import PictureMasks, find_picture_masks
from outtake.pictures.predict_pictures import (
    PictureTask,
    TaskResult,
    predict_pictures,
)
from outtake.pictures.prediction_record import PredictionRecord, describe_notes
from outtake.pictures.remove_from_picture import PictureRemoval
from outtake.pipeline.interruption import explain_oom, sigterm_as_interrupt
from outtake.pipeline.setup import finish_fill
from outtake.programs.predict_inputs import read_config
from outtake.removal.protocol import Remover

if TYPE_CHECKING:
    from outtake.pictures.predictor import Predictor

_LARGE_SHARE = 0.9
_ANY_SIZE = (480, 640)

log = logging.getLogger(__name__)


def predict(cfg: DictConfig) -> Path:
    """Label pictures, or take objects out of them, as ``conf/predict.yaml`` says.

    A network with several label maps writes those of the masks, and each further one in a folder of
    its name there, unless one is named or something is removed.

    Returns:
        The output folder.

    Raises:
        OuttakeError: The request cannot work, which is found before any work; or not one picture
            could be read.
    """
    config = read_config(cfg)
    folder = Path(config.output).expanduser()
    _check_output(config, folder)
    found = find_pictures(config.input, folder)
    _log_lines(found.notes)
    further = _predict(config, found)
    for name in further if config.label_map is None and not config.removes else ():
        print(f"label map {name}:")
        _predict(replace(config, label_map=name, output=str(Path(config.output) / name)), found)
    return folder


def _predict(config: PredictConfig, found: FoundPictures) -> tuple[str, ...]:
    """Write one label map of each picture; return the names of the network's further ones."""
    limits = read_range_option(config.range, "range")
    folder = Path(config.output).expanduser()
    _warn_of_ignored_keys(config)
    remover = _build_remover(config) if config.removes else None
    if remover is not None:
        _say_what_is_missing(remover)
    masks = _find_masks(config, found.files)
    files = [file for file in found.files if masks is None or file.name in masks.paths]
    predictor, policy = None, None
    with explain_oom():
        if config.needs_labels:
            predictor, policy = _load(config, remover)
        further = {} if predictor is None else _find_further(config, predictor, files)
        record = PredictionRecord(
            folder, _fingerprint(config, predictor, remover), overwrite=config.overwrite
        )
        task = PictureTask(
            folder,
            config.output_names,
            predictor,
            limits,
            None if remover is None else PictureRemoval(remover, policy, masks, _regions(config)),
            config.polygons.min_area,
            config.polygons.simplify_px,
            config.min_confidence,
            further,
        )
        claim_outputs(files, task, record, overwrite=config.overwrite)
        result = _run(files, task, record)
    _finish(files, task, record, result)
    return () if predictor is None else predictor.trained.further_labels


def _warn_of_ignored_keys(config: PredictConfig) -> None:
    """Say which keys have no effect, because masks or regions say all that is removed."""
    mask = {} if config.by_labels else asdict(config.mask)
    if config.removes:
        mask = {key: value for key, value in mask.items() if key not in FILL_OPTIONS}
    ignored = list_changed("predict", "mask", mask)
    if config.further_inputs and not config.needs_labels:
        ignored.append("further_inputs")
    if config.refine and not config.needs_labels:
        ignored.append("refine")
    if config.checkpoint is not None and not config.needs_labels:
        ignored.insert(0, f"checkpoint={config.checkpoint}")
    if ignored:
        log.warning("%s not used: no labels say what is removed", ", ".join(ignored))


def _say_what_is_missing(remover: Remover) -> None:
    """Say that a remover which looks at other frames of a clip has none to look at."""
    context = remover.context(*_ANY_SIZE)
    if context.before or context.after or context.keyframe_reach:
        log.warning(
            "the remover looks for what is hidden in other frames of a clip, and a picture has "
            "none: all of the fill is made up from what lies around it"
        )


def _check_output(config: PredictConfig, folder: Path) -> None:
    if folder.suffix.lower() in IMAGE_SUFFIXES and not folder.is_dir():
        raise OutputError(
            f"output={config.output}: name a folder, in which pictures keep their names"
        )
    check_folder(folder)


def _build_remover(config: PredictConfig) -> Remover:
    if any(value for key, value in flatten(config.remover).items() if "painted" in key.split(".")):
        raise ConfigError("remover.painted: goes with a clip; of a picture, paint the copy itself")
    remover: Remover = instantiate(config.remover)
    return finish_fill(remover, config.mask)


def _find_masks(config: PredictConfig, files: Sequence[PictureFile]) -> PictureMasks | None:
    options = config.masks
    if options.path is None:
        return None
    said = MaskValueOptions(options.channel, options.invert, options.threshold, options.ids)
    found = find_picture_masks(options.path, files, said, options.grow)
    _log_lines(found.notes)
    for line in found.warnings:
        log.warning("%s", line)
    return found


def _find_further(
    config: PredictConfig, predictor: Predictor, files: Sequence[PictureFile]
) -> dict[str, tuple[Path, ...]]:
    """Find the files of the further inputs of each picture, by its name.

    Raises:
        OuttakeError: The network has other inputs, or a picture has no file of one.
    """
    named = config.further_inputs or {}
    inputs = predictor.trained.further_inputs
    if computed := [each.name for each in inputs if each.plate_offsets]:
        raise ConfigError(
            f"the network sees what differs from the plate of a clip ({computed[0]}), and pictures "
            "have none; use outtake infer-video, with a folder of frames as its input"
        )
    if (problem := explain_difference(inputs, list(named), "further_inputs")) is not None:
        raise ConfigError(problem)
    if not inputs:
        return {}
    ids = [file.relative.with_suffix("").as_posix() for file in files]
    found = [
        find_input_files(f"further_inputs.{each.name}", named[each.name], ids) for each in inputs
    ]
    return dict(zip((file.name for file in files), zip(*found, strict=True), strict=True))


def _load(config: PredictConfig, remover: Remover | None) -> tuple[Predictor, MaskPolicy | None]:
    # Lightning and what it brings take seconds to import: masks of one's own do without.
    from outtake.config.load_ensemble import log_left_out_label_maps
    from outtake.pictures.predictor import Predictor
    from outtake.programs.library_warnings import quiet_libraries

    quiet_libraries()
    assert config.checkpoint is not None
    thresholds = config.mask.threshold
    asked = thresholds.values() if isinstance(thresholds, Mapping) else [thresholds]
    predictor = Predictor.from_checkpoint(
        config.checkpoint,
        device=config.device,
        backend=config.backend,
        refine=config.refine,
        label_map=config.label_map,
        confidence=bool(config.min_confidence or (config.by_labels and any(asked))),
        **vars(config.network),
    )
    if config.label_map is None and remover is None:
        log_left_out_label_maps(predictor.trained)
    if remover is None or not config.by_labels:
        return predictor, None
    policy = MaskPolicy.from_names(
        predictor.label_space,
        remove=list_names(config.remove),
        keep_only=list_names(config.keep_only),
        vote=0,
        **config.mask.policy_options(),
    )
    return predictor, policy


def _regions(config: PredictConfig) -> list[Region]:
    for index, each in enumerate(config.regions):
        if {"from", "to"} & set(each):
            raise ConfigError(f"regions[{index}]: a picture has no time; leave from and to out")
    return [Region.from_config(each, f"regions[{i}]") for i, each in enumerate(config.regions)]


def _fingerprint(
    config: PredictConfig, predictor: Predictor | None, remover: Remover | None
) -> dict[str, Any]:
    found = made_with(asdict(config))
    if predictor is not None:
        found["checkpoint_sha256"] = predictor.trained.sha256
    if remover is not None:
        found["remover_files"] = [sha256_of_file(path) for path in remover.files()]
    return found


def _run(files: Sequence[PictureFile], task: PictureTask, record: PredictionRecord) -> TaskResult:
    def is_done(file: PictureFile) -> bool:
        return record.is_done(file, task.output_names, task.identity(file))

    pending = [file for file in files if not is_done(file)]
    done = len(files) - len(pending)
    if done:
        print(f"{done} of {len(files)} pictures are finished already")
    try:
        with sigterm_as_interrupt(), progress_bar("Pictures", len(files), done=done) as bar:
            advance = bar.advance
            return predict_pictures(
                pending, task, record, on_picture=lambda: advance(bar.task_ids[0])
            )
    except KeyboardInterrupt as interrupt:
        done = sum(map(is_done, files))
        raise type(interrupt)(
            f"{done} of {len(files)} pictures are finished; the same command makes the others"
        ) from interrupt


def _finish(
    files: Sequence[PictureFile], task: PictureTask, record: PredictionRecord, result: TaskResult
) -> None:
    """Write what is about all pictures, and say what became of them.

    Raises:
        UnreadableImageError: There is not one picture.
    """
    record.finish()
    skipped = {file.relative for file, _ in result.skipped}
    entries = [
        record.entries[file.relative.as_posix()] for file in files if file.relative not in skipped
    ]
    if not entries:
        _, reason = result.skipped[0]
        raise UnreadableImageError(f"none of {len(files)} pictures could be made: {reason}")
    if "shares" in task.output_names and task.predictor is not None:
        write_shares(task.folder, task.predictor.label_space.names, record.entries.values())
    for line in describe_notes(entries):
        log.warning("%s", line)
    removed = [entry.removed for entry in entries if entry.removed is not None]
    if "removed" in task.output_names and removed and not any(removed):
        log.warning("nothing was removed from any picture: no mask has a pixel")
    elif removed and min(removed) > _LARGE_SHARE:
        log.warning("more than %.0f%% of every picture was removed", 100 * _LARGE_SHARE)
    count = f"{len(entries)} picture{'s' if len(entries) != 1 else ''}"
    print(f"{count}{f', {len(skipped)} skipped' if skipped else ''}; written to {task.folder}")


def _log_lines(lines: Sequence[str]) -> None:
    for line in lines:
        log.info("%s", line)
