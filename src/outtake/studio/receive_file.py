"""The body of a request as a file: streamed to the disk, bounded, and gone if it is cut off."""

from __future__ import annotations

import shutil
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from outtake.core.errors import OutputError

MIB = 1 << 20
# What else needs the disk while a file arrives, above all labels that are saved.
_KEPT_FREE_BYTES = 64 * MIB
_MAX_DIGITS = 18


async def receive_file(request: Request, path: Path, limit_mib: int) -> int:
    """Write the body of a request into a new file and return its size in bytes.

    Args:
        request: The request; it may leave its length open.
        path: The file; its folder is there, the file is not.
        limit_mib: How much may come.

    Raises:
        HTTPException: It is larger than that, empty, or cut off.
        OutputError: There is no room for it on the disk.
    """
    said = request.headers.get("content-length", "0")
    if not (said.isascii() and said.isdigit()) or len(said) > _MAX_DIGITS:
        raise HTTPException(413, "content-length: is no number")
    if int(said) > limit_mib * MIB:
        raise _too_large(limit_mib)
    free = shutil.disk_usage(path.parent).free
    if int(said) > free - _KEPT_FREE_BYTES:
        raise OutputError(
            f"{int(said) // MIB} MiB cannot be written: {free // MIB} MiB are free in {path.parent}"
        )
    try:
        return await _write(request, path, limit_mib)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


async def _write(request: Request, path: Path, limit_mib: int) -> int:
    size = 0
    try:
        with path.open("xb") as file:
            async for chunk in request.stream():
                size += len(chunk)
                if size > limit_mib * MIB:
                    raise _too_large(limit_mib)
                file.write(chunk)
    except ClientDisconnect as error:
        raise HTTPException(400, "cut off") from error
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
    if not size:
        raise HTTPException(400, "nothing was sent")
    return size


def _too_large(limit_mib: int) -> HTTPException:
    return HTTPException(413, f"more than {limit_mib} MiB, see limits in conf/studio.yaml")
