"""Damage done to files, and a process of its own in which each is read and written again.

Run as a script it is that process: it takes a path a line and answers with a line of JSON.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import resource
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import zlib
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

MEMORY_BYTES = 4 << 30
_HEADER_BYTES = 512
_EXTREMES = [
    bytes.fromhex(text) for text in ("00000000", "ffffffff", "7fffffff", "ffffff7f", "0000ffff")
]


def flip_bytes(data: bytearray, rng: np.random.Generator) -> None:
    """Set up to eight bytes anywhere to noise."""
    for place in rng.integers(0, len(data), rng.integers(1, 9)):
        data[place] = rng.integers(256)


def flip_header(data: bytearray, rng: np.random.Generator) -> None:
    """Turn up to four bits near the beginning."""
    for place in rng.integers(0, min(_HEADER_BYTES, len(data)), rng.integers(1, 5)):
        data[place] ^= 1 << rng.integers(8)


def write_extreme_number(data: bytearray, rng: np.random.Generator) -> None:
    """Put a very small or large number somewhere in the first or last part."""
    reach = min(2048, len(data) - 4)
    place = int(rng.integers(0, reach))
    place = place if rng.integers(2) else len(data) - 4 - place
    data[place : place + 4] = _EXTREMES[rng.integers(len(_EXTREMES))]


def truncate(data: bytearray, rng: np.random.Generator) -> None:
    """Drop the end."""
    del data[int(rng.integers(1, len(data))) :]


def swap_blocks(data: bytearray, rng: np.random.Generator) -> None:
    """Let two blocks change places."""
    size = max(len(data) // int(rng.integers(8, 64)), 1)
    first, second = sorted(rng.integers(0, len(data) // size, 2) * size)
    one, other = data[first : first + size], data[second : second + size]
    data[first : first + size], data[second : second + size] = other, one


def zero_block(data: bytearray, rng: np.random.Generator) -> None:
    """Fill a block with zeros, as a failed copy does."""
    size = max(len(data) // int(rng.integers(4, 64)), 1)
    place = int(rng.integers(0, len(data) - size + 1))
    data[place : place + size] = bytes(size)


def cut_block(data: bytearray, rng: np.random.Generator) -> None:
    """Cut a block out of the middle."""
    size = max(len(data) // int(rng.integers(8, 64)), 1)
    place = int(rng.integers(0, len(data) - size + 1))
    del data[place : place + size]


MUTATIONS = (
    flip_bytes,
    flip_header,
    write_extreme_number,
    truncate,
    swap_blocks,
    zero_block,
    cut_block,
)


def mutate(path: Path, number: int) -> str:
    """Damage a file, or one file of a folder, in the way that a number stands for.

    Returns:
        What was done.
    """
    rng = np.random.default_rng(number)
    if path.is_dir():
        files = sorted(path.iterdir())
        path = files[rng.integers(len(files))]
    change = MUTATIONS[number % len(MUTATIONS)]
    data = bytearray(path.read_bytes())
    change(data, rng)
    path.write_bytes(data)
    return change.__name__


@dataclass(frozen=True)
class Outcome:
    """What became of a file.

    Attributes:
        end: ``written``, ``refused`` (one line), ``traceback``, ``crash`` or ``hang``.
        frames: that were written.
        message: the line, or the traceback.
        warned: whether damage was mentioned.
        seconds: that it took.
        pictures: a checksum of each.
    """

    end: str
    frames: int = 0
    message: str = ""
    warned: bool = False
    seconds: float = 0
    pictures: tuple[int, ...] = ()


class Worker:
    """A process that reads and writes files; killed and started again where it does not answer."""

    def __init__(self, timeout_s: float = 30) -> None:
        self.timeout_s = timeout_s
        self._process: subprocess.Popen[str] | None = None
        self._answers: queue.Queue[str] = queue.Queue()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    def run(self, path: Path) -> Outcome:
        """Read a file, write it again, and say how that went."""
        process = self._process or self._start()
        assert process.stdin
        process.stdin.write(f"{path}\n")
        process.stdin.flush()
        try:
            answer = self._answers.get(timeout=self.timeout_s)
        except queue.Empty:
            self._stop()
            return Outcome("hang")
        if not answer:
            code = process.wait()
            self._stop()
            return Outcome("crash", message=f"exit code {code}")
        record = json.loads(answer)
        return Outcome(**{**record, "pictures": tuple(record["pictures"])})

    def _start(self) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.video.mutations"],
            cwd=Path(__file__).resolve().parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "SVT_LOG": "0", "OMP_NUM_THREADS": "1"},
        )
        self._process, self._answers = process, queue.Queue()
        threading.Thread(target=self._listen, args=(process, self._answers), daemon=True).start()
        assert self._answers.get(timeout=60) == "ready\n"  # imports do not count as a hang
        return process

    @staticmethod
    def _listen(process: subprocess.Popen[str], answers: queue.Queue[str]) -> None:
        assert process.stdout
        for line in process.stdout:
            answers.put(line)
        answers.put("")

    def _stop(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None


class _Counter(logging.Handler):
    """Notes that something was mentioned."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def _serve() -> None:
    from outtake.core.errors import OuttakeError
    from outtake.video.read.clip import open_clip
    from outtake.video.write.video_writer import open_writer

    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    mentioned = _Counter()
    logging.getLogger().addHandler(mentioned)
    print("ready", flush=True)
    for line in sys.stdin:
        mentioned.lines.clear()
        start = time.perf_counter()
        frames, end, message = 0, "written", ""
        pictures: list[int] = []
        with tempfile.TemporaryDirectory() as folder:
            try:
                with (
                    open_clip(line.rstrip("\n")) as clip,
                    open_writer(Path(folder) / "out.mkv", clip.info) as writer,
                ):
                    for frame in clip:
                        writer.write(frame)
                        pictures.append(zlib.crc32(frame.image))
                frames = writer.frames
                with open_clip(Path(folder) / "out.mkv") as copy:
                    assert sum(1 for _ in copy) == frames
            except OuttakeError as error:
                end, message = "refused", str(error)
            except Exception:
                end, message = "traceback", traceback.format_exc()
        record = {
            "end": end, "frames": frames, "message": message or "; ".join(mentioned.lines),
            "warned": any("damaged" in text for text in mentioned.lines), "pictures": pictures,
            "seconds": time.perf_counter() - start,
        }  # fmt: skip
        print(json.dumps(record), flush=True)


if __name__ == "__main__":
    _serve()
