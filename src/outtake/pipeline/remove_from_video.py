"""Run a removal to its end: outputs, progress, interruptions and the report."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from outtake.core.errors import OuttakeError
from outtake.core.progress import frame_bar
from outtake.core.redact import redact_tree
from outtake.core.signals import ignore_sigint
from outtake.masking.label_propagation import ClipLabeller
from outtake.masking.policy import MaskPolicy
from outtake.pipeline.further_clips import plate_offsets
from outtake.pipeline.interruption import (
    explain_oom,
    salvage_outputs,
    sigterm_as_interrupt,
    stop_live_on_ctrl_c,
)
from outtake.pipeline.job import Job, WriteOptions
from outtake.pipeline.run import run_missing_segments
from outtake.pipeline.setup import PipelineParts, library_versions
from outtake.removal.protocol import Remover
from outtake.removal.report import RemovalReport, check_report, write_report
from outtake.video.read.clip import Clip, open_clip
from outtake.video.read.probe import VideoInfo
from outtake.video.write.output import Output, finish_outputs

if TYPE_CHECKING:
    from outtake.config.trained_model import TrainedModel

log = logging.getLogger(__name__)

FrameCallback = Callable[[], object]
JobRunner = Callable[[Job, list[Output], FrameCallback], tuple[int, dict[str, float]]]


def remove_from_video(
    trained: TrainedModel,
    source: str | Path,
    target: str | Path,
    *,
    remover: Remover,
    policy: MaskPolicy,
    labeller: ClipLabeller | None = None,
    write_options: WriteOptions | None = None,
) -> dict[str, Any]:
    """Run a clip through network, masks and remover into a file, from Python.

    Args:
        trained: The checkpoint.
        source: A video, or a folder of images.
        target: A video, or a folder for PNG images if it has no suffix.
        remover: The remover.
        policy: Says what is removed.
        labeller: Labels the frames; by default PyTorch, frame by frame.
        write_options: How the output is written.

    Returns:
        The report, as it was written beside the output.

    Raises:
        OuttakeError: See :func:`run_job`.
    """
    if labeller is None:
        from outtake.pipeline.network_setup import build_predictor

        labeller = build_predictor(trained, uncertain_ids=policy.ids)
    options = write_options or WriteOptions()
    job = Job(
        source,
        Path(target),
        remover,
        labeller,
        policy,
        plate_offsets=plate_offsets(trained.further_inputs),
        write_options=options,
    )
    parts = PipelineParts(remover, labeller, policy, trained)
    return run_job(job, entries=report_entries(parts, None))


def run_in_process(
    job: Job, outputs: list[Output], on_frame: FrameCallback, clip: Clip | None = None
) -> tuple[int, dict[str, float]]:
    """Run a whole job in this process.

    Args:
        job: The job.
        outputs: Its outputs.
        on_frame: Called after each frame.
        clip: A live source, which is open already; Ctrl-C ends it.

    Returns:
        The number of segments, and the seconds that each stage worked.
    """
    with stop_live_on_ctrl_c(clip is not None) as stop_event:
        result, busy_s = run_missing_segments(
            job, outputs, on_frame=on_frame, clip=clip, stop_event=stop_event
        )
    assert result.total_segments is not None  # there is no segment at which to stop
    return result.total_segments, busy_s


def run_job(
    job: Job, runner: JobRunner = run_in_process, entries: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Run a job to its end and write the report.

    Args:
        job: The job.
        runner: Runs it.
        entries: Further entries of the report.

    Returns:
        The report, as it was written beside the output.

    Raises:
        OuttakeError: The clip cannot be read to its end, or the target cannot be written. A
            playable part and the finished segments are kept, and the message says where.
    """
    check_report(job.target, overwrite=job.write_options.overwrite)
    with open_clip(job.source, **job.read_options) as clip, sigterm_as_interrupt():
        for line in job.check_clip(clip.info):
            log.warning("%s", line)
        outputs = job.open_outputs(clip)
        if clip.info.live:
            runner = partial(run_in_process, clip=clip)
        try:
            identity = {
                "job_sha256": None if clip.info.live else job.digest(clip),
                "encoding": job.describe_encoding(clip.info),
            }
            return _run_and_report(job, outputs, runner, {**(entries or {}), **identity})
        finally:
            for output in outputs:
                output.release()


def _run_and_report(
    job: Job, outputs: list[Output], runner: JobRunner, entries: Mapping[str, Any]
) -> dict[str, Any]:
    info = outputs[0].info
    done = job.count_finished_frames(outputs)
    if done:
        log.info("%s: resumes after %d frames that exist already", job.target.name, done)
    began_s, made = perf_counter(), 0

    def on_frame() -> None:
        nonlocal made
        made += 1
        bar.advance(bar.task_ids[0])

    try:
        with explain_oom(), frame_bar(info.path.name, info.frames, done=done) as bar:
            total_segments, busy_s = runner(job, outputs, on_frame)
            report = _finish(job, outputs, total_segments)
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
            remover=job.remover.name,
            **entries,
            **({"remover_notes": dict(job.remover.notes)} if job.remover.notes else {}),
            copied_frames=outputs[0].copied_frames,
            seconds=round(seconds, 3),
            frames_made_now=made,
            frames_per_second=round(made / seconds, 3),
            stage_s={name: round(value, 3) for name, value in busy_s.items()},
            versions=library_versions(),
        )
    )
    write_report(job.target, record)
    _log_copied_frames(job, outputs[0], record["frames"])
    for warning in report.warnings():
        log.warning("%s: %s", job.target.name, warning)
    return record


def _log_copied_frames(job: Job, output: Output, frames: int) -> None:
    copied = output.copied_frames
    if copied:
        log.info(
            "%s: %d of %d frames are the source's own packets, because nothing changed around "
            "them; encode.copy_unchanged=never encodes all", job.target.name, copied, frames,
        )  # fmt: skip
    elif job.write_options.encoding.copy_unchanged == "always":
        log.warning(
            "%s: no frame is copied: something changed in every closed group of pictures",
            job.target.name,
        )


def _finish(job: Job, outputs: list[Output], total_segments: int) -> RemovalReport:
    """Join the segments. A report is written before that deletes the statistics of the frames."""
    report = job.merge_report(outputs, total_segments)
    write_report(job.target, redact_tree(report.record(output=str(job.target))))
    with ignore_sigint():
        finish_outputs(outputs, total_segments)
    return report


def report_entries(parts: PipelineParts, config: object) -> dict[str, Any]:
    """Return what a report says about checkpoint, classes and config."""
    entries: dict[str, Any] = {"config": config}
    if parts.trained is not None and parts.policy is not None:
        entries["checkpoint_sha256"] = parts.trained.sha256
        if (members := parts.trained.describe().get("members")) is not None:
            entries["members"] = members
        entries["removed_classes"] = [parts.trained.labels.names[i] for i in parts.policy.ids]
    return entries


def input_record(info: VideoInfo) -> dict[str, Any]:
    """Return what the report says about the input."""
    return {
        "path": str(info.path),
        "width": info.width,
        "height": info.height,
        "fps": str(info.fps),
        "codec": info.codec,
        "pix_fmt": info.pix_fmt,
        "rotation": info.rotation,
    }
