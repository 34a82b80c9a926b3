"""``input=-`` and ``output=-``: a clip on standard input, and a result on standard output."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from outtake.config.infer_video_schema import InferVideoConfig
from outtake.core.errors import OutputError, OuttakeError, VideoError
from outtake.video.read.inputs import STANDARD

_BLOCK_BYTES = 1 << 20
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

log = logging.getLogger(__name__)


@contextmanager
def standard_streams(config: InferVideoConfig) -> Iterator[InferVideoConfig]:
    """Yield a config with files in the place of ``-``.

    Standard input is stored first, because a clip is read more than once; its sound is kept so, and
    a file that can only be read from its end works. What is made for standard output is a Matroska
    file, copied there when all of it is done, or the playable part of it if the work ends before;
    whatever else is printed goes to standard error.

    Raises:
        VideoError: There is nothing on standard input, which may be a terminal or closed.
        OutputError: Standard output is a terminal or closed, or nobody reads it to its end; or
            standard input cannot be stored.
    """
    if STANDARD not in (config.input, config.output):
        yield config
        return
    with ExitStack() as files:
        folder = Path(files.enter_context(tempfile.TemporaryDirectory(prefix="outtake-")))
        if config.output == STANDARD:
            _check_standard_output()
            target = files.enter_context(_take_standard_output())
        if config.input == STANDARD:
            stored = _store_standard_input(folder)
            files.enter_context(_name_standard_input(stored))
            config = replace(config, input=str(stored))
        if config.output != STANDARD:
            yield config
            return
        made = folder / "output.mkv"
        # What would be resumed is deleted with the folder.
        config = replace(config, output=str(made), job=replace(config.job, resume=False))
        try:
            yield config
        except (KeyboardInterrupt, OuttakeError) as error:
            raise _send_partial(error, folder / "output.partial.mkv", target) from error
        with made.open("rb") as file:
            _copy(file, target)
        print(
            "sent to standard output; the report is not kept: a stream has no file beside it",
            file=sys.stderr,
        )


def _check_standard_output() -> None:
    # A stream that was closed before the program began is None.
    state = "closed" if sys.stdout is None else "a terminal" if os.isatty(1) else None
    if state is not None:
        raise OutputError(
            f"output=-: standard output is {state}; send it to a file or a program, as in "
            "output=- > out.mkv"
        )


@contextmanager
def _take_standard_output() -> Iterator[BinaryIO]:
    """Yield standard output; whatever else prints to it prints to standard error meanwhile."""
    sys.stdout.flush()
    own = os.dup(1)
    os.dup2(2, 1)
    target = os.fdopen(os.dup(own), "wb")
    try:
        yield target
    finally:
        with suppress(OSError):  # what could not be written was said before
            target.close()
        sys.stdout.flush()
        os.dup2(own, 1)
        os.close(own)


def _store_standard_input(folder: Path) -> Path:
    state = "closed" if sys.stdin is None else "a terminal" if sys.stdin.isatty() else None
    if state is not None:
        raise VideoError(f"input=-: standard input is {state}; send a clip there, as in < in.mp4")
    path = folder / "input"
    try:
        with path.open("wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file, _BLOCK_BYTES)
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise OutputError(
            f"input=-: standard input cannot be stored in {folder} ({error.strerror}); set TMPDIR "
            "to a folder with more room, or name a file"
        ) from error
    size = path.stat().st_size
    if not size:
        raise VideoError("input=-: standard input is empty; send a clip there, as in < in.mp4")
    log.info("standard input: %.1f MB are stored in %s until the end", size / 1e6, folder)
    return path


@contextmanager
def _name_standard_input(stored: Path) -> Iterator[None]:
    """Name what a user has sent, where an error names the file that it is stored in."""
    try:
        yield
    except OuttakeError as error:
        told = (str(arg).replace(str(stored), "standard input") for arg in error.args)
        raise type(error)(*told) from error


def _send_partial(
    error: KeyboardInterrupt | OuttakeError, partial: Path, target: BinaryIO
) -> KeyboardInterrupt | OuttakeError:
    """Send the playable part of an output; return the error, which says what became of it."""
    fate = "sent to standard output"
    try:
        with partial.open("rb") as file:
            _copy(file, target)
    except FileNotFoundError:
        return error
    except OutputError:
        fate = "lost, because nobody reads standard output any more"
    told = (str(arg).replace(f"kept in {partial}", fate) for arg in error.args)
    return type(error)(*told)


def _copy(file: BinaryIO, target: BinaryIO) -> None:
    try:
        shutil.copyfileobj(file, target, _BLOCK_BYTES)
        target.flush()
    except OSError as error:
        raise OutputError(
            f"output=-: standard output cannot be written to its end ({error.strerror})"
        ) from error
