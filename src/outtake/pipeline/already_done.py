"""What an earlier call has made already, of several clips."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from outtake.config.infer_video_schema import InferVideoConfig
from outtake.core.errors import OutputError
from outtake.pipeline.job import Job
from outtake.removal.report import read_report
from outtake.video.read.clip import open_clip


def is_already_done(job: Job, config: InferVideoConfig) -> bool:
    """Tell whether an earlier call with the same clips has made this one already."""
    if not config.job.resume or config.overwrite or config.preview or not job.target.exists():
        return False
    report = read_report(job.target)
    with open_clip(job.source, **job.read_options) as clip:
        if report.get("job_sha256") == job.digest(clip):
            return True
        how = _describe_difference(report, job.describe_encoding(clip.info))
    raise OutputError(f"output {job.target} exists, {how}; set overwrite=true to replace it")


def _describe_difference(report: Mapping[str, Any], encoding: Mapping[str, Any]) -> str:
    """Return how what is there differs from what is asked for, as far as its report says it."""
    if "job_sha256" not in report:
        return "and no report beside it says how it was made"
    was = report.get("encoding")
    if not isinstance(was, Mapping):
        return "made by an earlier version, whose report does not say how it was encoded"
    changed = [key for key in sorted({*was, *encoding}) if was.get(key) != encoding.get(key)]
    if changed:
        return "made with " + ", ".join(f"{key}={was.get(key)}" for key in changed)
    return "made of another input, or with another config, checkpoint or version"
