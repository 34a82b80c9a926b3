"""Remove objects from a video: a checkpoint and a clip go in, a clean clip comes out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from outtake.config.infer_video_schema import InferVideoConfig
from outtake.config.instantiate import resolve_config
from outtake.config.schema import parse
from outtake.core.errors import ConfigError, OutputError, OuttakeError
from outtake.core.progress import frame_bar
from outtake.core.redact import redact_tree
from outtake.inference.predictor import Predictor
from outtake.inference.protocol import Backend
from outtake.inference.torch_backend import TorchBackend
from outtake.masking.policy import MaskPolicy
from outtake.pipeline.already_done import is_already_done
from outtake.pipeline.interruption import (
    explain_oom,
    salvage_outputs,
    sigterm_as_interrupt,
    stop_live_on_ctrl_c,
)
from outtake.pipeline.job import Job, sibling_path
from outtake.pipeline.preview import preview_paths, write_preview
from outtake.pipeline.ray_workers import make_paths_absolute, run_on_ray
from outtake.pipeline.setup import (
    PipelineParts,
    build_encoding_request,
    build_job,
    build_parts,
    build_remover,
    input_paths,
    library_versions,
)
from outtake.pipeline.stage_threads import ignore_sigint
from outtake.removal.protocol import Remover
from outtake.removal.report import check_report, report_path, write_report
from outtake.video.read.clip import (
    Clip,
    open_clip,
)
from outtake.video.read.inputs import (
    VideoInput,
    expand_inputs,
)
from outtake.video.read.probe import (
    VideoInfo,
)
from outtake.video.write.output import (
    Output,
    finish_outputs,
)
from outtake.video.write.output_checks import (
    check_not_an_input,
    check_target,
)

if TYPE_CHECKING:
    from outtake.config.load_trained import TrainedModel

log = logging.getLogger(__name__)

FrameCallback = Callable[[], object]
JobRunner = Callable[[Job, list[Output], FrameCallback], tuple[int, dict[str, float]]]


def infer_video(cfg: DictConfig) -> list[Path]:
    """Apply a checkpoint to one or more clips as ``conf/infer_video.yaml`` says.

    Returns:
        The paths of the outputs; the report of each lies beside it.

    Raises:
        OuttakeError: anything that can not work, before any work wherever that can be known. What
            an interrupted clip had already is kept, and the message says where. Of several clips,
            one that fails does not keep the others from being made.
    """
    config = parse(InferVideoConfig, resolve_config(cfg))
    remover = build_remover(config)
    if config.job.workers:
        config = make_paths_absolute(config, remover)
    sources = expand_inputs(config.input)
    targets = output_paths(config.output, sources, default_suffix(config.encode.codec, remover))
    if len(sources) > 1 and config.masks is not None:
        raise ConfigError("masks= goes with one input; run the others one by one")
    several = len(sources) > 1
    sizes = [
        check_job(config, remover, source, target, several_inputs=several)
        for source, target in zip(sources, targets, strict=True)
    ]
    with explain_oom():
        tools = build_parts(config, remover, sizes[0])
    failed: list[tuple[Path, OuttakeError]] = []
    for source, target in zip(sources, targets, strict=True):
        job = build_job(config, tools, source, target)
        try:
            if several and is_already_done(job, config):
                print(f"{target} is there already")
            elif config.preview:
                with sigterm_as_interrupt(), explain_oom():
                    video, sheet = write_preview(job)
                print(f"preview written to {video} and {sheet}; preview=false makes all of it")
            else:
                record = run_job(
                    job, runner=choose_runner(config), facts=report_facts(tools, asdict(config))
                )
                print(format_summary(record, target))
        except OuttakeError as error:
            if not several:
                raise
            log.error("error: %s", error)
            failed.append((target, error))
    if failed:
        names = ", ".join(target.name for target, _ in failed)
        raise type(failed[0][1])(f"{len(failed)} of {len(targets)} were not made: {names}")
    return targets


def check_job(
    config: InferVideoConfig,
    remover: Remover,
    source: VideoInput,
    target: Path,
    *,
    several_inputs: bool,
) -> tuple[int, int] | None:
    """Let a bad input or output show itself before the checkpoint is loaded.

    Returns:
        Height and width of the frames; None of a stream, which may be opened only once.
    """
    bit_depth, size = 8, None
    if not source.address and not several_inputs:
        with open_clip(source, **vars(config.read)) as clip:
            bit_depth, size = clip.info.bit_depth, (clip.info.height, clip.info.width)
    # Of several, those that are there may be made already; a preview leaves the output alone.
    overwrite = config.overwrite or config.preview or several_inputs
    checks: dict[str, Any] = {
        "overwrite": overwrite,
        "resume": config.job.resume,
        "input_paths": input_paths(config, remover),
    }
    encoding = replace(build_encoding_request(config.encode, remover), bit_depth=bit_depth)
    check_target(target, source, encoding, **checks)
    if not target.suffix and config.encode.codec != "auto":
        raise OutputError(
            f"encode.codec={config.encode.codec} does not go into {target}, a folder of PNG "
            "images; name a video, or leave encode.codec=auto"
        )
    if config.preview:
        for path in preview_paths(target):
            check_not_an_input(path, source, input_paths(config, remover))
    elif not several_inputs:
        check_report(target, overwrite=config.overwrite)
    if config.encode.provenance_video:
        check_target(sibling_path(target, "provenance"), source, **checks)
    return size


def output_paths(output: str, sources: Sequence[VideoInput], suffix: str = ".mp4") -> list[Path]:
    """Return where each clip goes: ``output`` itself, or for several a file each in that folder.

    Raises:
        OutputError: several clips of one name, or no folder for them.
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
    """Return the suffix of an output whose name the user leaves to us."""
    if codec == "auto":
        return ".mov" if remover.channels == 4 else ".mp4"
    return {"ffv1": ".mkv", "prores": ".mov"}.get(codec, ".mp4")


def choose_runner(config: InferVideoConfig) -> JobRunner:
    """Return what runs a job: this process, or a Ray cluster."""
    workers = config.job.workers
    if workers == 0:
        return run_in_process
    return lambda job, outputs, made: run_on_ray(config, job, outputs, workers, made)


def run_in_process(
    job: Job, outputs: list[Output], on_frame: FrameCallback, clip: Clip | None = None
) -> tuple[int, dict[str, float]]:
    """Run a whole job in this process.

    Args:
        job: what is to be done.
        outputs: where the segments go.
        on_frame: called for each frame.
        clip: a live source, which is open already; it ends with Ctrl-C.

    Returns:
        The number of segments, and the seconds that each stage worked.
    """
    with stop_live_on_ctrl_c(clip is not None) as halt:
        produced, busy_s = job.run(outputs, on_frame=on_frame, clip=clip, stop_event=halt)
    assert produced.total_segments is not None  # there is no segment at which to stop
    return produced.total_segments, busy_s


def run_job(
    job: Job,
    *,
    runner: JobRunner = run_in_process,
    facts: Mapping[str, Any] | None = None,
    progress: bool = True,
) -> dict[str, Any]:
    """Run a job to its end and write the report.

    Args:
        job: what is to be done.
        runner: runs it.
        facts: for the report.
        progress: show a bar.

    Returns:
        The report, as it was written beside the output.

    Raises:
        OuttakeError: the clip can not be read to its end, or the target not be written. A playable
            part and the finished segments are kept, and the message says where.
    """
    check_report(job.target, overwrite=bool(job.write_options.get("overwrite")))
    with open_clip(job.source, **job.read_options) as clip, sigterm_as_interrupt():
        outputs = job.open_outputs(clip)
        if clip.info.live:
            runner = partial(run_in_process, clip=clip)
        digest = None if clip.info.live else job.digest(clip)
        facts = {
            **(facts or {}),
            "job_sha256": digest,
            "encoding": job.describe_encoding(clip.info),
        }
        try:
            return _run_and_report(job, outputs, runner, facts, progress)
        finally:
            for output in outputs:
                output.release()


def _run_and_report(
    job: Job,
    outputs: list[Output],
    runner: JobRunner,
    facts: Mapping[str, Any],
    progress: bool,
) -> dict[str, Any]:
    info = outputs[0].info
    done = job.count_finished_frames(outputs)
    if done:
        log.info("%s: goes on after %d frames that are there", job.target.name, done)
    began_s, made = perf_counter(), 0

    def on_frame() -> None:
        nonlocal made
        made += 1
        bar.advance(bar.task_ids[0])

    try:
        shown = frame_bar(info.path.name, info.frames, done=done, shown=progress)
        with explain_oom(), shown as bar:
            end, busy_s = runner(job, outputs, on_frame)
            report = job.merge_report(outputs, end)
            # Before the segments are gone: what is known about their frames lies beside them.
            write_report(job.target, redact_tree(report.record(output=str(job.target))))
            with ignore_sigint():
                finish_outputs(outputs, end)
    except KeyboardInterrupt as error:
        raise type(error)(*error.args, *salvage_outputs(job, outputs, error)) from error
    except OuttakeError as error:
        raise type(error)("; ".join([str(error), *salvage_outputs(job, outputs, error)])) from error
    except BaseException:
        salvage_outputs(job, outputs)
        raise
    seconds = perf_counter() - began_s
    record: dict[str, Any] = redact_tree(
        report.record(
            output=str(job.target),
            input=input_record(info),
            remover=type(job.remover).__name__,
            **facts,
            **({"remover_notes": dict(job.remover.notes)} if job.remover.notes else {}),
            seconds=round(seconds, 3),
            frames_made_now=made,
            frames_per_second=round(made / seconds, 3),
            stage_s={name: round(value, 3) for name, value in busy_s.items()},
            versions=library_versions(),
        )
    )
    write_report(job.target, record)
    for warning in report.warnings():
        log.warning("%s: %s", job.target.name, warning)
    return record


def remove_from_video(
    trained: TrainedModel,
    source: str | Path,
    target: str | Path,
    *,
    remover: Remover,
    policy: MaskPolicy,
    backend: Backend | None = None,
    batch_size: int = 1,
    fps: float = 25,
    write_options: Mapping[str, Any] | None = None,
    progress: bool = True,
) -> dict[str, Any]:
    """Stream a clip through network, masks and remover into a file, from Python.

    Args:
        trained: the checkpoint.
        source: a video, or a folder of images.
        target: a video, or a folder for PNG images if it has no suffix.
        remover: takes things out.
        policy: says what.
        backend: runs the network; PyTorch on the fitting device by default.
        batch_size: frames for the network at a time.
        fps: of a folder of images.
        write_options: options of :func:`outtake.video.write.output.open_output`.
        progress: show a bar.

    Returns:
        The report, as it was written beside the output.

    Raises:
        OuttakeError: see :func:`clean`.
    """
    labels = Predictor(
        backend or TorchBackend(trained.task),
        trained.labels,
        short_side=trained.short_side,
        channels=trained.channels,
        batch_size=batch_size,
    )
    job = Job(
        source,
        Path(target),
        remover,
        labels,
        policy,
        read_options={"fps": fps},
        write_options=write_options or {},
    )
    facts = report_facts(PipelineParts(remover, labels, policy, trained), None)
    return run_job(job, facts=facts, progress=progress)


def report_facts(tools: PipelineParts, config: object) -> dict[str, Any]:
    """Return what a report says about checkpoint, classes and config."""
    facts: dict[str, Any] = {"config": config}
    if tools.trained is not None and tools.policy is not None:
        facts["checkpoint_sha256"] = tools.trained.sha256
        facts["removed_classes"] = [tools.trained.labels.names[i] for i in tools.policy.ids]
    return facts


def format_summary(record: Mapping[str, Any], target: Path) -> str:
    """Return what is printed at the end."""
    return (
        f"{record['frames']} frames at {record['frames_per_second']:.1f} frames/s, "
        f"{record['hole_share']['mean']:.1%} of the picture removed\n"
        f"written to {target}, report in {report_path(target)}"
    )


def input_record(info: VideoInfo) -> dict[str, Any]:
    """Return what the report says of the input."""
    return {
        "path": str(info.path),
        "width": info.width,
        "height": info.height,
        "fps": str(info.fps),
        "codec": info.codec,
        "pix_fmt": info.pix_fmt,
        "rotation": info.rotation,
    }
