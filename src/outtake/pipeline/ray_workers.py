"""One long clip over many processes, GPUs and machines, through Ray.

A worker makes a range of segments with their context, so that its frames equal those of a single
process. Workers write into the folder beside the target: machines must share it.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

from outtake.config.infer_video_schema import InferVideoConfig
from outtake.core.errors import ConfigError, DeviceError, OuttakeError
from outtake.core.signals import keep_handlers
from outtake.core.trees import map_leaves
from outtake.pipeline.job import Job
from outtake.pipeline.ray_resources import uses_cuda, worker_config, worker_resources
from outtake.pipeline.run import run_missing_segments
from outtake.pipeline.setup import build_job, build_parts, build_remover
from outtake.removal.protocol import Remover
from outtake.video.read.inputs import VideoInput
from outtake.video.read.stream_address import is_camera, is_url
from outtake.video.write.output import Output

log = logging.getLogger(__name__)

# Ranges of a clip per worker: more are balanced better, but each begins with its context.
_RANGES_PER_WORKER = 2
_POLL_INTERVAL_S = 0.5
_MAX_RETRIES = 3
_CONNECT_TIMEOUT_S = 5.0


def run_on_ray(
    config: InferVideoConfig,
    job: Job,
    outputs: list[Output],
    on_frame: Callable[[], object],
) -> tuple[int, dict[str, float]]:
    """Make every segment of a job that does not exist yet.

    Args:
        config: The config; each worker builds the job from it.
        job: The job.
        outputs: Its outputs.
        on_frame: Called for each frame when its segment exists.

    Returns:
        The number of segments, and the seconds that each stage worked, over all workers.

    Raises:
        ConfigError: Ray is not installed, or the clip's length is unknown.
        DeviceError: The job uses CUDA, and the cluster has no GPU.
        OuttakeError: A worker failed, or segments are missing in the end.
    """
    info, workers = outputs[0].info, config.job.workers
    if info.live or not info.frames:
        raise ConfigError(f"{info.path}: its length is unknown; use job.workers=0")
    segments = -(-info.frames // job.segment_frames)
    pending = split_segments(segments, workers * _RANGES_PER_WORKER)
    ray = _start_ray(config.job.ray_address, workers)
    try:
        requested = worker_resources(
            _node_resources(ray), workers, cuda=uses_cuda(config, job.remover)
        )
        settings = {"max_retries": _MAX_RETRIES, **requested}
        worker_settings = worker_config(config, job.remover.device)
        make = ray.remote(run_range).options(**settings)
        running: list[Any] = []
        paths = (job.source, job.target)
        device = job.remover.device
        end, busy_s, failure = 0, dict[str, float](), None
        reported = job.count_finished_frames(outputs)
        while running or (pending and failure is None):
            while pending and len(running) < workers and failure is None:
                running.append(
                    make.remote(worker_settings, paths, outputs, device, *pending.pop(0))
                )
            finished, running = ray.wait(running, timeout=_POLL_INTERVAL_S)
            for one in finished:
                try:
                    made = _get_result(ray, one)
                except OuttakeError as error:
                    # The other workers finish their ranges, which are kept for the next call.
                    failure = failure or error
                    continue
                end = max(end, made.end_segment)
                for name, value in made.busy_s.items():
                    busy_s[name] = busy_s.get(name, 0.0) + value
                for line in made.warnings:
                    log.warning("%s", line)
            there = sum(outputs[0].frame_count(index) for index in range(segments + 1))
            for _ in range(there - reported):
                on_frame()
            reported = max(reported, there)
        if failure is not None:
            raise failure
        return end, busy_s
    finally:
        ray.shutdown()


@dataclass(frozen=True)
class RangeResult:
    """What a worker made.

    Attributes:
        end_segment: One more than the last segment that exists in the range; 0 if none does.
        busy_s: The seconds that each stage worked.
        warnings: The warnings of the worker.
    """

    end_segment: int
    busy_s: dict[str, float]
    warnings: list[str]


def run_range(
    config: InferVideoConfig,
    paths: tuple[VideoInput, Path],
    outputs: list[Output],
    remover_device: str | None,
    first_segment: int,
    stop_segment: int | None,
) -> RangeResult:
    """Make the segments from ``first_segment`` up to ``stop_segment`` in a worker process."""
    said = WarningBuffer()
    package = logging.getLogger("outtake")
    package.addHandler(said)
    try:
        remover = build_remover(config)
        if remover.device != remover_device:
            raise DeviceError(
                f"the remover runs on {remover.device} on a worker and on {remover_device} where "
                f"the job was started; set its device to {remover_device}"
            )
        job = build_job(config, build_parts(config, remover), *paths)
        produced, busy_s = run_missing_segments(
            job, outputs, first_segment=first_segment, stop_segment=stop_segment
        )
    finally:
        package.removeHandler(said)
    end = stop_segment if produced.total_segments is None else produced.total_segments
    assert end is not None  # without a stop it reaches the end of the clip
    return RangeResult(end if end > first_segment else 0, busy_s, said.lines)


class WarningBuffer(logging.Handler):
    """Collects warnings for the process whose output the user sees."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Collect the message."""
        self.lines.append(record.getMessage())


def split_segments(segments: int, parts: int) -> list[tuple[int, int | None]]:
    """Return ranges of nearly equal length; the last is open, because lengths are estimates."""
    parts = max(1, min(parts, segments))
    bounds = [segments * part // parts for part in range(parts + 1)]
    return [(first, stop if stop < segments else None) for first, stop in pairwise(bounds)]


def _start_ray(address: str | None, workers: int) -> Any:
    try:
        with keep_handlers(signal.SIGTERM):
            import ray
    except ImportError as error:
        raise ConfigError(
            f"job.workers={workers} needs Ray: pip install 'outtake[ray]', or use job.workers=0"
        ) from error
    # Networks must add in the same order everywhere: with as many threads as here.
    threads = {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    local: dict[str, Any] = {}
    if address is None:
        local = {"include_dashboard": False, "num_cpus": max(workers, os.cpu_count() or 1)}
    else:
        _check_reachable(address)
    try:
        # Ray would end the process with 15, and keep nothing.
        with keep_handlers(signal.SIGTERM):
            ray.init(
                address=address or "local",
                log_to_driver=False,
                logging_level=logging.ERROR,
                runtime_env={"env_vars": threads},
                **local,
            )
    except (ConnectionError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"job.ray_address={address}: {reason}") from error
    return ray


def _check_reachable(address: str) -> None:
    # Ray itself retries for minutes.
    host, _, port = address.rpartition("//")[2].rpartition(":")
    if not port.isdigit():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_TIMEOUT_S).close()
    except OSError as error:
        raise ConfigError(
            f"job.ray_address={address}: nothing answers there ({error}); is the cluster running?"
        ) from error


def _node_resources(ray: Any) -> list[dict[str, float]]:
    """Return the resources of each machine of the cluster."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def _get_result(ray: Any, task: Any) -> RangeResult:
    try:
        found: RangeResult = ray.get(task)
        return found
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, OuttakeError):
            raise type(error.cause)(str(error.cause)) from error
        raise
    except ray.exceptions.RayError as error:
        reason = " ".join(str(error).split())
        raise OuttakeError(
            f"a worker was lost, and {_MAX_RETRIES} more in its place ({reason}); what is "
            "finished is kept, and the same command makes the rest"
        ) from error


def make_paths_absolute(config: InferVideoConfig, remover: Remover) -> InferVideoConfig:
    """Return a config with absolute file names: workers may start in another folder."""
    keys = ("input", "output", "checkpoint", "further_inputs", "labels")
    found = {key: map_leaves(_absolute_path, getattr(config, key)) for key in keys}
    found["masks"] = replace(config.masks, path=map_leaves(_absolute_path, config.masks.path))
    return replace(config, remover=_make_files_absolute(config.remover, remover.files()), **found)


def _absolute_path(text: str | None) -> str | None:
    return (
        text
        if text is None or is_url(text) or is_camera(text)
        else str(Path(text).expanduser().absolute())
    )


def _make_files_absolute(node: Any, files: tuple[Path, ...]) -> Any:
    if isinstance(node, Mapping):
        return {key: _make_files_absolute(value, files) for key, value in node.items()}
    if isinstance(node, list):
        return [_make_files_absolute(value, files) for value in node]
    if isinstance(node, str) and Path(node).expanduser() in files:
        return _absolute_path(node)
    if isinstance(node, str) and Path(node.rpartition("@")[0]).expanduser() in files:
        name, _, time = node.rpartition("@")
        return f"{_absolute_path(name)}@{time}"
    return node
