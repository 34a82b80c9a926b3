"""Write a file whole or not at all; SHA-256 of files."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

from outtake.core.errors import OutputError
from outtake.core.file_lock import wait_for

PART_SUFFIX = ".part"


def replace_file(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write next to ``path``, flush to the disk, then replace ``path`` in one step.

    Args:
        path: The file; its folder is made if it is missing.
        write: The function that fills the open file.

    Raises:
        OutputError: The disk is full or the place cannot be written. An earlier file stays, unless
            the message says that only the last flush failed.
    """
    part = path.with_name(path.name + PART_SUFFIX)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _open_exclusive(part) as file:
            try:
                write(file)
                file.flush()
                os.fsync(file.fileno())
                os.replace(part, path)
            except BaseException:
                with contextlib.suppress(OSError):
                    part.unlink(missing_ok=True)
                raise
    except BaseException as error:
        if interrupt := _interrupt_in(error):
            raise type(interrupt)(*interrupt.args) from error
        if isinstance(error, OSError | RuntimeError):
            reason = getattr(error, "strerror", None) or error
            raise OutputError(f"cannot write {path}: {reason}; what was there stays") from error
        raise
    try:
        fsync_path(path.parent)
    except OSError as error:
        reason = error.strerror or error
        raise OutputError(
            f"wrote {path}, but its folder cannot be flushed to the disk: {reason}; "
            "it may be lost in a power cut"
        ) from error


def _open_exclusive(part: Path) -> IO[bytes]:
    """Open an empty file for writing that no other process is filling; wait for another writer.

    Its name is always the same, so that a file that a killed process left behind is used again.
    """
    while True:
        file = os.fdopen(os.open(part, os.O_RDWR | os.O_CREAT, 0o666), "wb")
        try:
            wait_for(file.fileno())
            # Whoever had it may have given it its final name, or taken it away.
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(file.fileno()), part.stat()):
                    file.truncate()
                    return file
        except BaseException:
            file.close()
            raise
        file.close()


def _interrupt_in(error: BaseException) -> KeyboardInterrupt | None:
    # Ctrl-C inside torch.save surfaces as the error of the archive that it left unfinished.
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, KeyboardInterrupt):
            return inner
        inner = inner.__context__
    return None


def remove_file(path: Path) -> bool:
    """Remove a file; return whether there was one.

    Raises:
        OutputError: It cannot be removed.
    """
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise OutputError(f"cannot remove {path}: {error.strerror or error}") from error
    return True


def replace_text(path: Path, text: str) -> None:
    r"""Write a text file by :func:`replace_file`.

    It is UTF-8 whatever the text holds: bytes of a file's name that are no text become ``\udcff``.
    """
    replace_file(path, lambda file: file.write(text.encode(errors="backslashreplace")))


def write_json(path: Path, record: Mapping[str, Any]) -> None:
    """Write strict, indented JSON by :func:`replace_file`; NaN and infinities become null."""
    replace_text(path, json.dumps(finite(record), indent=2, allow_nan=False) + "\n")


def finite(node: Any) -> Any:
    """Return a copy with NaN and infinities as None: strict JSON has no such numbers."""
    if isinstance(node, Mapping):
        return {str(key): finite(value) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [finite(value) for value in node]
    if isinstance(node, float) and not math.isfinite(node):
        return None
    return node


def check_folder(path: Path) -> None:
    """Raise an OutputError, before any work, if files cannot be written in a folder.

    The folder itself is not made.
    """
    folder = path.absolute()
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir():
        raise OutputError(f"cannot write {path}: {folder} is a file")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(f"cannot write {path}: no permission in {folder}")


def fsync_path(path: Path) -> None:
    """Flush a file, or the renames in a folder, to the disk, where the system allows it."""
    if path.is_dir() and os.name != "posix":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sha256_of_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
