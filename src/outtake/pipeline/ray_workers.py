"""One long clip over many processes, GPUs and machines, through Ray.

A worker makes a range of segments with their context, so that its frames are those that one process
would make. Workers write into the folder beside the target: machines have to share it.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

from outtake.core.errors import ConfigError, OuttakeError
from outtake.pipeline.job import Job
from outtake.pipeline.ray_resources import for_worker, resources, uses_cuda
from outtake.pipeline.setup import build_job, build_remover, build_tools
from outtake.video.read.inputs import Source
from outtake.video.read.stream_address import is_camera, is_url
from outtake.video.write.output import Output

log = logging.getLogger(__name__)

# Ranges of a clip for each worker: more balance better, and each begins with its context.
_RANGES_EACH = 2
_POLL_S = 0.5
_RETRIES = 3
_REACH_S = 5.0


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
        DeviceError: the job uses CUDA, and the cluster has no GPU.
        OuttakeError: what a worker met; or segments that are missing in the end.
    """
    info = outputs[0].info
    if info.live or not info.frames:
        raise ConfigError(f"{info.path}: its length is unknown; use workers=0")
    segments = -(-info.frames // job.segment_frames)
    waiting = split(segments, workers * _RANGES_EACH)
    ray = _start(plain["ray_address"], workers)
    try:
        asked = resources(_machines(ray), workers, cuda=uses_cuda(plain))
        settings = {"max_retries": _RETRIES, **asked}
        theirs = for_worker(plain)
        make = ray.remote(make_range).options(**settings)
        running: list[Any] = []
        place = (job.source, job.target)
        end, busy_s, failure = 0, dict[str, float](), None
        shown = job.frames_done(outputs)
        while running or (waiting and failure is None):
            while waiting and len(running) < workers and failure is None:
                running.append(make.remote(theirs, place, outputs, *waiting.pop(0)))
            finished, running = ray.wait(running, timeout=_POLL_S)
            for one in finished:
                try:
                    made = _result(ray, one)
                except OuttakeError as error:
                    # What the other workers are at is finished; it is kept for the next call.
                    failure = failure or error
                    continue
                end = max(end, made.end)
                for name, value in made.busy_s.items():
                    busy_s[name] = busy_s.get(name, 0.0) + value
                for line in made.warnings:
                    log.warning("%s", line)
            there = sum(outputs[0].frames(index) for index in range(segments + 1))
            for _ in range(there - shown):
                frame_made()
            shown = max(shown, there)
        if failure is not None:
            raise failure
        return end, busy_s
    finally:
        ray.shutdown()


@dataclass(frozen=True)
class Range:
    """What a worker made.

    Attributes:
        end: one more than the last segment that is there in its range; 0 if there is none.
        busy_s: seconds that each stage worked.
        warnings: what there was to say.
    """

    end: int
    busy_s: dict[str, float]
    warnings: list[str]


def make_range(
    plain: Mapping[str, Any],
    place: tuple[Source, Path],
    outputs: list[Output],
    first: int,
    stop: int | None,
) -> Range:
    """Make the segments from ``first`` up to ``stop`` in a process of its own."""
    said = _Said()
    package = logging.getLogger("outtake")
    package.addHandler(said)
    try:
        job = build_job(plain, build_tools(plain, build_remover(plain)), *place)
        produced, busy_s = job.run(outputs, first=first, stop=stop)
    finally:
        package.removeHandler(said)
    end = stop if produced.end is None else produced.end
    assert end is not None  # without a stop it goes on to the clip's end
    return Range(end if end > first else 0, busy_s, said.lines)


class _Said(logging.Handler):
    """Keeps warnings, for the process that the user looks at."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        self.lines.append(record.getMessage())


def split(segments: int, parts: int) -> list[tuple[int, int | None]]:
    """Return ranges of nearly equal length; the last is open, for lengths are estimates."""
    parts = max(1, min(parts, segments))
    bounds = [segments * part // parts for part in range(parts + 1)]
    return [(first, stop if stop < segments else None) for first, stop in pairwise(bounds)]


def _start(address: str | None, workers: int) -> Any:
    try:
        with _sigterm_kept():
            import ray
    except ImportError as error:
        raise ConfigError(
            f"workers={workers} needs Ray: pip install 'outtake[ray]', or use workers=0"
        ) from error
    # Networks shall add up in the same order everywhere: with as many threads as here.
    threads = {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    local: dict[str, Any] = {}
    if address is None:
        local = {"include_dashboard": False, "num_cpus": max(workers, os.cpu_count() or 1)}
    else:
        _check_reachable(address)
    try:
        with _sigterm_kept():
            ray.init(
                address=address or "local",
                log_to_driver=False,
                logging_level=logging.ERROR,
                runtime_env={"env_vars": threads},
                **local,
            )
    except (ConnectionError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"ray_address={address}: {reason}") from error
    return ray


@contextmanager
def _sigterm_kept() -> Iterator[None]:
    """Put back what is done at SIGTERM: Ray would end the process with 15, and keep nothing."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if before is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


def _check_reachable(address: str) -> None:
    # Ray itself tries for minutes.
    host, _, port = address.rpartition("//")[2].rpartition(":")
    if not port.isdigit():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_REACH_S).close()
    except OSError as error:
        raise ConfigError(
            f"ray_address={address}: nothing answers there ({error}); is the cluster running?"
        ) from error


def _machines(ray: Any) -> list[dict[str, float]]:
    """Return what each machine of the cluster has."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def _result(ray: Any, task: Any) -> Range:
    try:
        found: Range = ray.get(task)
        return found
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, OuttakeError):
            raise type(error.cause)(str(error.cause)) from error
        raise
    except ray.exceptions.RayError as error:
        reason = " ".join(str(error).split())
        raise OuttakeError(
            f"a worker was lost, and {_RETRIES} more in its place ({reason}); what is finished is "
            "kept, and the same command makes the rest"
        ) from error


def with_absolute_paths(plain: Mapping[str, Any]) -> dict[str, Any]:
    """Return a config whose files are named from the root: workers may start anywhere."""
    found = dict(plain)
    for key in ("input", "output", "masks", "checkpoint"):
        value = found[key]
        found[key] = (
            [_absolute(each) for each in value]
            if isinstance(value, list)
            else (None if value is None else _absolute(value))
        )
    found["remover"] = _absolute_below(found["remover"])
    return found


def _absolute(value: object) -> str:
    text = str(value)
    return text if is_url(text) or is_camera(text) else str(Path(text).expanduser().absolute())


def _absolute_below(node: Any) -> Any:
    if not isinstance(node, Mapping):
        return node
    return {
        key: _absolute(value)
        if key == "path" and isinstance(value, str)
        else _absolute_below(value)
        for key, value in node.items()
    }
