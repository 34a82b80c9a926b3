"""One long clip over many processes, GPUs and machines, through Ray.

A worker makes a range of segments with their context, so that its frames are those that one process
would make. Workers write into the folder beside the target: machines have to share it.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

from outtake.apps.job import Job
from outtake.apps.removal_setup import build_job, build_remover, build_tools
from outtake.errors import ConfigError, OuttakeError
from outtake.inference import resolve_device
from outtake.video import Output, Source

# Ranges of a clip for each worker: more balance better, and each begins with its context.
_RANGES_EACH = 2
_POLL_S = 0.5
_RETRIES = 3


def run_on_cluster(
    plain: Mapping[str, Any],
    job: Job,
    outputs: list[Output],
    workers: int,
    frame_made: Callable[[], object],
) -> tuple[int, dict[str, float]]:
    """Make every segment of a job that is not there yet.

    Args:
        plain: the config; each worker builds the job from it.
        job: the job.
        outputs: where its segments go.
        workers: how many ranges are made at once.
        frame_made: called for each frame when its segment is there.

    Returns:
        The number of segments, and the seconds that each stage worked, over all workers.

    Raises:
        ConfigError: Ray is not installed, or the clip's length is unknown.
        OuttakeError: what a worker met; or segments that are missing in the end.
    """
    info = outputs[0].info
    if info.live or not info.frames:
        raise ConfigError(f"{info.path}: its length is unknown; use workers=0")
    segments = -(-info.frames // job.segment_frames)
    ranges = split(segments, workers * _RANGES_EACH)
    ray = _start(plain["ray_address"], workers)
    try:
        make = ray.remote(make_range)
        settings = {"max_retries": _RETRIES, **_resources(ray, plain["device"], workers)}
        shared = _with_absolute_paths(plain)
        pending = [
            make.options(**settings).remote(shared, _absolute(job), outputs, first, stop)
            for first, stop in ranges
        ]
        end, busy_s = 0, dict[str, float]()
        shown = job.frames_done(outputs)
        while pending:
            finished, pending = ray.wait(pending, timeout=_POLL_S)
            for one in finished:
                last, worked_s = _result(ray, one)
                end = max(end, last)
                for name, value in worked_s.items():
                    busy_s[name] = busy_s.get(name, 0.0) + value
            there = sum(outputs[0].frames(index) for index in range(segments + 1))
            for _ in range(there - shown):
                frame_made()
            shown = max(shown, there)
        return end, busy_s
    finally:
        ray.shutdown()


def make_range(
    plain: Mapping[str, Any],
    place: tuple[Source, Path],
    outputs: list[Output],
    first: int,
    stop: int | None,
) -> tuple[int, dict[str, float]]:
    """Make the segments from ``first`` up to ``stop`` in a process of its own.

    Returns:
        One more than the last segment that is there, and the seconds that each stage worked.
    """
    job = build_job(plain, build_tools(plain, build_remover(plain)), *place)
    produced, busy_s = job.run(outputs, first=first, stop=stop)
    return (stop if produced.end is None else produced.end) or 0, busy_s


def split(segments: int, parts: int) -> list[tuple[int, int | None]]:
    """Return ranges of nearly equal length; the last is open, for lengths are estimates."""
    parts = max(1, min(parts, segments))
    bounds = [segments * part // parts for part in range(parts + 1)]
    return [(first, stop if stop < segments else None) for first, stop in pairwise(bounds)]


def _start(address: str | None, workers: int) -> Any:
    try:
        import ray
    except ImportError as error:
        raise ConfigError(
            f"workers={workers} needs Ray: pip install 'outtake[ray]', or use workers=0"
        ) from error
    # Networks shall add up in the same order everywhere: with as many threads as here.
    threads = {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    local: dict[str, Any] = {"include_dashboard": False} if address is None else {}
    if address is None:
        local["num_cpus"] = max(workers, os.cpu_count() or 1)
    try:
        ray.init(
            address=address or "local",
            log_to_driver=False,
            logging_level=logging.ERROR,
            runtime_env={"env_vars": threads},
            **local,
        )
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise ConfigError(f"ray_address={address}: {error}") from error
    return ray


def _resources(ray: Any, device: str, workers: int) -> dict[str, float]:
    cpus = max(1, int(ray.cluster_resources().get("CPU", 1)) // workers)
    cuda = resolve_device(device).type == "cuda" if device != "auto" else torch.cuda.is_available()
    return {"num_cpus": cpus, "num_gpus": 1 if cuda else 0}


def _result(ray: Any, task: Any) -> tuple[int, dict[str, float]]:
    try:
        found: tuple[int, dict[str, float]] = ray.get(task)
        return found
    except ray.exceptions.RayTaskError as error:
        cause = error.cause
        if isinstance(cause, OuttakeError):
            raise type(cause)(str(cause)) from error
        raise
    except ray.exceptions.WorkerCrashedError as error:
        raise OuttakeError(
            f"a worker died {_RETRIES + 1} times ({error}); what is finished is kept, and the "
            "same command makes the rest"
        ) from error


def _absolute(job: Job) -> tuple[Source, Path]:
    assert isinstance(job.source, Source)  # infer_video has told what the input is
    source = job.source
    if not source.address:
        images = tuple(image.absolute() for image in source.images)
        source = replace(source, path=source.path.absolute(), images=images)
    return source, job.target.absolute()


def _with_absolute_paths(plain: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(plain)
    for key in ("checkpoint", "masks"):
        if found[key] is not None and Path(str(found[key])).expanduser().exists():
            found[key] = str(Path(str(found[key])).expanduser().absolute())
    return found
