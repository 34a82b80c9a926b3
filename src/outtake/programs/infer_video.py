"""Remove objects from a video: a checkpoint and a clip go in, a clean clip comes out."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from outtake.config.compose import list_changed
from outtake.config.infer_video_schema import InferVideoConfig
from outtake.config.shared_schema import FILL_OPTIONS
from outtake.core.errors import ConfigError, OutputError, OuttakeError
from outtake.masking.mask_source import MaskSource
from outtake.pipeline.check_clip import check_clip
from outtake.pipeline.further_clips import check_further_clips
from outtake.pipeline.interruption import explain_oom, sigterm_as_interrupt
from outtake.pipeline.job import Job, is_already_done, sibling_path
from outtake.pipeline.mask_setup import find_masks, log_found, read_regions
from outtake.pipeline.ray_workers import make_paths_absolute, run_on_ray
from outtake.pipeline.removal_preview import files_of_preview, write_preview
from outtake.pipeline.remove_from_video import (
    JobRunner,
    report_entries,
    run_in_process,
    run_job,
)
from outtake.pipeline.setup import (
    PipelineParts,
    build_encoding_request,
    build_job,
    build_parts,
    build_remover,
    input_paths,
)
from outtake.pipeline.shown_fields import explain_shown_fields
from outtake.programs.removal_inputs import read_configs
from outtake.programs.standard_streams import standard_streams
from outtake.removal.protocol import Remover
from outtake.removal.provenance import check_origins
from outtake.removal.report import check_report, report_path
from outtake.video.read.clip import open_clip
from outtake.video.read.inputs import STANDARD, VideoInput, expand_inputs
from outtake.video.write.output_checks import check_not_an_input, check_target

log = logging.getLogger(__name__)

# Less grain than this is not worth a line.
LEAST_SAID_GREY = 0.1
# A smaller share is said to be less than 0.1%, because 0.0% is said of none.
_LEAST_SAID_SHARE = 0.0005


def infer_video(cfg: DictConfig) -> list[Path]:
    """Apply a checkpoint to one or more clips as ``conf/infer_video.yaml`` says.

    Returns:
        The paths of the outputs; the report of each lies beside it.

    Raises:
        OuttakeError: Something cannot work; it is found before any work if it can be known then.
            What exists of an interrupted clip is kept, and the message says where. Of several
            clips, one that fails does not keep the others from being made.
    """
    configs = read_configs(cfg)
    if len(configs) == 1:
        with standard_streams(configs[0]) as config:
            return _remove(_check(config), to_stream=configs[0].output == STANDARD)
    checked = [_check(config, of_list=True) for config in configs]
    targets = [target for clips in checked for target in clips.targets]
    _refuse_shared_files(checked)
    for target, clips in product(targets, checked):
        for source in clips.sources:
            check_not_an_input(target, source, input_paths(clips.config, clips.remover))
    failed: list[tuple[Path, OuttakeError]] = []
    for clips in checked:
        try:
            _remove(clips)
        except OuttakeError as error:
            log.error("error: %s", error)
            failed.append((clips.targets[0], error))
    _raise_failed(failed, len(checked))
    return targets


def _refuse_shared_files(checked: Sequence[CheckedClips]) -> None:
    """Refuse jobs of a list that would write one file, however its name is written.

    Raises:
        OutputError: One would replace what another has made.
    """
    seen: set[str] = set()
    for clips, target in ((one, target) for one in checked for target in one.targets):
        preview = clips.config.asks_preview
        for path in files_of_preview(target) if preview else (target, report_path(target)):
            place = os.path.realpath(path)
            if place in seen:
                what = "have the output" if path == target else "would write"
                raise OutputError(f"two jobs {what} {path}; name another output for one of them")
            seen.add(place)


@dataclass(frozen=True, slots=True)
class CheckedClips:
    """The clips of a config, before any work.

    Attributes:
        config: The config.
        remover: The remover.
        sources: The clips.
        targets: The output of each.
        jobs: What is known of each.
        of_list: Whether the config is one of several.
    """

    config: InferVideoConfig
    remover: Remover
    sources: Sequence[VideoInput]
    targets: Sequence[Path]
    jobs: Sequence[CheckedJob]
    of_list: bool = False


def _check(config: InferVideoConfig, *, of_list: bool = False) -> CheckedClips:
    """Find what is wrong with the clips of a config before any work."""
    if of_list and STANDARD in (config.input, config.output):
        raise ConfigError("jobs=: standard input and output (-) go with one job")
    remover = build_remover(config)
    if config.encode.provenance_video:
        check_origins(remover)
    if config.job.workers:
        config = make_paths_absolute(config, remover)
    sources = expand_inputs(config.input)
    targets = output_paths(config.output, sources, default_suffix(config.encode.codec, remover))
    several = len(sources) > 1
    if several and config.masks.path is not None:
        raise ConfigError(
            "masks= goes with one input; run the others one by one, or give jobs=LIST.yaml, in "
            "which each input has its masks"
        )
    for key in ("further_inputs", "labels"):
        if several and getattr(config, key):
            raise ConfigError(
                f"{key}= goes with one input; run the others one by one, or give "
                "jobs=LIST.yaml, in which each input has its own"
            )
    warn_of_ignored_keys(config)
    jobs = [
        check_job(
            config, remover, source, target,
            several_inputs=several, may_be_done=several or of_list,
        )
        for source, target in zip(sources, targets, strict=True)
    ]  # fmt: skip
    return CheckedClips(config, remover, sources, targets, jobs, of_list)


def _remove(clips: CheckedClips, *, to_stream: bool = False) -> list[Path]:
    config, targets = clips.config, clips.targets
    several = len(targets) > 1
    with explain_oom():
        parts = build_parts(config, clips.remover, clips.jobs[0].size)
    failed: list[tuple[Path, OuttakeError]] = []
    for source, target, found in zip(clips.sources, targets, clips.jobs, strict=True):
        try:
            job = build_job(config, parts, source, target, found.masks)
            if (several or clips.of_list) and not config.asks_preview and is_already_done(job):
                print(f"{target} exists already")
            else:
                _make(job, config, parts, to_stream)
        except OuttakeError as error:
            if not several:
                raise
            log.error("error: %s", error)
            failed.append((target, error))
    _raise_failed(failed, len(targets))
    return [*targets]


def _raise_failed(failed: Sequence[tuple[Path, OuttakeError]], count: int) -> None:
    if failed:
        names = ", ".join(target.name for target, _ in failed)
        raise type(failed[0][1])(f"{len(failed)} of {count} were not made: {names}")


def _make(job: Job, config: InferVideoConfig, parts: PipelineParts, to_stream: bool) -> None:
    """Make the output of a job, or its preview, and print where it is."""
    fields = explain_shown_fields(config, job)
    # A preview is too small for fields.
    if fields is not None and not (config.asks_preview and job.shown_fields is not None):
        log.warning("%s", fields)
    if config.asks_preview:
        with sigterm_as_interrupt(), explain_oom():
            video, sheet = write_preview(job, config.preview_s)
        print(f"preview written to {video} and {sheet}; preview=false makes all of it")
        return
    record = run_job(job, choose_runner(config), report_entries(parts, asdict(config)))
    print(format_summary(record))
    if not to_stream:  # what is sent is said once it is
        print(f"written to {job.target}, report in {report_path(job.target)}")


@dataclass(frozen=True, slots=True)
class CheckedJob:
    """What is known of a job before its work.

    Attributes:
        size: The height and width of the frames; None for a stream, which may be opened only once.
        masks: The masks; None where there are none.
    """

    size: tuple[int, int] | None
    masks: MaskSource | None = None


def warn_of_ignored_keys(config: InferVideoConfig) -> None:
    """Say which keys have no effect, because masks or regions say all that is removed."""
    if not config.without_network:
        return
    mask = {k: value for k, value in asdict(config.mask).items() if k not in FILL_OPTIONS}
    ignored = list_changed("infer_video", "mask", mask)
    if config.checkpoint is not None:
        ignored.insert(0, f"checkpoint={config.checkpoint}")
    if config.further_inputs:
        ignored.append("further_inputs")
    if config.refine:
        ignored.append("refine")
    if ignored:
        given = "masks=" if config.masks.path is not None else "regions="
        grow = "; masks.grow enlarges masks" if any("dilate" in key for key in ignored) else ""
        log.warning("%s not used beside %s: no network runs%s", ", ".join(ignored), given, grow)


def check_job(
    config: InferVideoConfig,
    remover: Remover,
    source: VideoInput,
    target: Path,
    *,
    several_inputs: bool,
    may_be_done: bool = False,
) -> CheckedJob:
    """Find a bad input, bad masks or a bad output before the checkpoint is loaded.

    Args:
        config: The config.
        remover: The remover.
        source: The clip.
        target: The output.
        several_inputs: Whether the clip is one of several, each of which is opened when its turn
            comes.
        may_be_done: Whether an output that exists may be this job's own.
    """
    size, info = None, None
    if source.address and config.further_inputs:
        raise ConfigError("further_inputs= goes with a file or images, not with a stream or camera")
    if not source.address and not several_inputs:
        with open_clip(source, **vars(config.read)) as clip:
            info = clip.info
        size = (info.height, info.width)
        check_clip(info, remover, read_regions(config))  # its lines are said when the job begins
        if not config.without_network:
            check_further_clips(config, source, info)
    checks: dict[str, Any] = {
        # Of several outputs, some may be done already; a preview leaves the output alone.
        "overwrite": config.overwrite or config.asks_preview or may_be_done,
        "resume": config.job.resume,
        "input_paths": input_paths(config, remover),
    }
    encoding = build_encoding_request(config.encode, remover)
    check_target(target, source, encoding if info is None else encoding.for_source(info), **checks)
    if config.asks_preview:
        for path in files_of_preview(target):
            check_not_an_input(path, source, checks["input_paths"])
    elif not may_be_done:
        check_report(target, overwrite=config.overwrite)
    if config.encode.provenance_video:
        check_target(sibling_path(target, "provenance"), source, **checks)
    if config.masks.path is None:
        return CheckedJob(size)
    masks = find_masks(config, source, info)
    log_found(masks)
    return CheckedJob(size, masks.source)


def output_paths(output: str, sources: Sequence[VideoInput], suffix: str = ".mp4") -> list[Path]:
    """Return where each clip goes: ``output`` itself, or a file in that folder for each of several.

    Raises:
        OutputError: Two clips have the same name, or there is no folder for several.
    """
    place = Path(output).expanduser()
    if len(sources) == 1:
        return [place]
    if place.suffix:
        raise OutputError(
            f"output {place} is one file for {len(sources)} inputs; name a folder, in which each "
            "keeps its name"
        )
    targets = [place / f"{source.name}{suffix}" for source in sources]
    double = next((target for target in targets if targets.count(target) > 1), None)
    if double is not None:
        raise OutputError(f"two inputs would become {double}; rename one or run them one by one")
    return targets


def default_suffix(codec: str, remover: Remover) -> str:
    """Return the suffix of an output that the user does not name."""
    if codec == "auto":
        return ".mov" if remover.channels == 4 else ".mp4"
    return {"ffv1": ".mkv", "mpeg2": ".mkv", "prores": ".mov"}.get(codec, ".mp4")


def choose_runner(config: InferVideoConfig) -> JobRunner:
    """Return what runs a job: this process, or a Ray cluster."""
    if config.job.workers == 0:
        return run_in_process
    return lambda job, outputs, on_frame: run_on_ray(config, job, outputs, on_frame)


def format_summary(record: Mapping[str, Any]) -> str:
    """Return the text that is printed at the end."""
    mask = record.get("mask", {})
    effects = [
        f"{mask[f'{name}_share']:.1%} of the masks is {name}s"
        for name in ("shadow", "reflection")
        if f"{name}_share" in mask
    ]
    grain = record.get("fill", {}).get("grain", 0)
    if grain >= LEAST_SAID_GREY:
        effects.append(
            f"the fill was given grain as the picture has, {grain:.1f} grey levels (mask.grain)"
        )
    share = record["hole_share"]["mean"]
    removed = "less than 0.1%" if 0 < share < _LEAST_SAID_SHARE else f"{share:.1%}"
    made = (
        f"{record['frames']} frames at {record['frames_per_second']:.1f} frames/s, "
        f"{removed} of the picture removed"
    )
    return "\n".join([made, *effects])
