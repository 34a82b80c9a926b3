"""What a request of the page says, checked, and what it is answered with."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response

from outtake.core.errors import ConfigError, OutputError, OuttakeError
from outtake.core.files import finite
from outtake.core.printable_text import to_printable
from outtake.core.types import Frame
from outtake.studio.frame_labels import ClosedProjectError, RevisionError
from outtake.studio.jobs import RunningJobError
from outtake.studio.studio_session import StudioSession

MAX_BODY_BYTES = 8 << 20
_MAX_DIGITS = 9
_JPEG_QUALITY = 92
_MAX_JPEG_PX = 65_500
# A preview may be smaller than what is asked for, and comes as it is.
_MAX_WIDTH_PX = 1 << 20
_MAX_LINE = 600
# With a 412: the project that was asked is not open, which is no matter of what was sent.
OTHER_HEADER = "X-Outtake-Other"
Answer = Callable[[Request, dict[str, Any]], Response]
Handler = Callable[[Request], Awaitable[Response]]


def answer(function: Answer) -> Handler:
    """Return a handler that reads the body, works in a thread, and says errors in one line."""

    async def handle(request: Request) -> Response:
        body = await read_body(request) if request.method == "POST" else {}
        return await run_in_threadpool(function, request, body)

    return say_errors(handle)


def say_errors(handler: Handler) -> Handler:
    """Return a handler that answers with one line where a user can cause the error."""

    async def handle(request: Request) -> Response:
        try:
            return await handler(request)
        except RunningJobError as error:
            return PlainTextResponse(_to_text(error), 409)
        except ClosedProjectError as error:
            return refuse_other(error)
        except RevisionError as error:
            return PlainTextResponse(_to_text(error), 412)
        except OutputError as error:
            return PlainTextResponse(_to_text(error), 507)
        except OuttakeError as error:
            return PlainTextResponse(_to_text(error), 400)
        except OSError as error:
            what = f"{error.strerror or error}: {Path(str(error.filename or '')).name}"
            return PlainTextResponse(_to_text(what), 507)

    return handle


def refuse_other(said: object) -> Response:
    """Return the answer to what was asked of a project that is not open."""
    return PlainTextResponse(_to_text(said), 412, {OTHER_HEADER: "1"})


def _to_text(error: object) -> str:
    # Names of files and what was sent may hold what is no text.
    text = to_printable(str(error))
    return text if len(text) <= _MAX_LINE else f"{text[:_MAX_LINE]} ..."


async def read_body(request: Request) -> dict[str, Any]:
    """Return the JSON object that was sent.

    Raises:
        HTTPException: It is too large, or none.
    """
    said = request.headers.get("content-length", "0")
    if not _is_number(said) or int(said) > MAX_BODY_BYTES:
        raise HTTPException(413, f"more than {MAX_BODY_BYTES >> 20} MiB")
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                raise HTTPException(413, f"more than {MAX_BODY_BYTES >> 20} MiB")
    except ClientDisconnect as error:
        raise HTTPException(400, "cut off") from error
    if request.headers.get("content-type", "").partition(";")[0] != "application/json":
        raise HTTPException(415, "send application/json")
    try:
        found = json.loads(bytes(body))
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, "no JSON") from error
    if not isinstance(found, dict):
        raise HTTPException(400, "no JSON object")
    return found


def read_frame_number(session: StudioSession, request: Request) -> int:
    """Return the number of the frame that the address names.

    Raises:
        ConfigError: There is no such frame.
    """
    return read_path_number(request, "frame", session.project.frames.count)


def read_path_number(request: Request, what: str, count: int) -> int:
    """Return the number, below ``count``, that the address names.

    Raises:
        ConfigError: It is none.
    """
    text = request.path_params["n"]
    if not _is_number(text) or int(text) >= count:
        raise ConfigError(f"{what}: must be 0 to {count - 1}")
    return int(text)


def read_query_number(request: Request, key: str, default: int, least: int, most: int) -> int:
    """Return a whole number behind the question mark of the address.

    Raises:
        ConfigError: It is no number from ``least`` to ``most``.
    """
    text = request.query_params.get(key)
    return default if text is None else read_number(key, text, least, most)


def read_number(key: str, text: str, least: int, most: int) -> int:
    """Return a whole number that is a part of the address.

    Raises:
        ConfigError: It is no number from ``least`` to ``most``.
    """
    if not _is_number(text) or not least <= int(text) <= most:
        raise ConfigError(f"{key}: must be a whole number from {least} to {most}")
    return int(text)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS


def send_json(content: Any) -> Response:
    """Answer with JSON; numbers that are not finite become null."""
    # In ASCII: names of files may hold bytes that are no text, which UTF-8 cannot say.
    return Response(json.dumps(finite(content)), media_type="application/json")


def send_frame(request: Request, image: Frame) -> Response:
    """Answer with a picture, uint8 (H, W, 3) RGB, as the address asks.

    ``width`` makes it smaller; without it the picture is whole. ``exact=1`` gives a PNG instead of
    a JPEG, as whatever is larger than a JPEG can be comes too.

    Raises:
        ConfigError: The width is not possible.
    """
    width = read_query_number(request, "width", image.shape[1], 1, _MAX_WIDTH_PX)
    if width < image.shape[1]:
        height = max(1, round(image.shape[0] * width / image.shape[1]))
        image = np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA))
    if request.query_params.get("exact") == "1" or max(image.shape) > _MAX_JPEG_PX:
        return Response(encode_picture(image, ".png", []), media_type="image/png")
    packed = encode_picture(image, ".jpg", [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return Response(packed, media_type="image/jpeg")


def encode_picture(image: Frame, suffix: str, options: list[int]) -> bytes:
    """Return an RGB picture, uint8 (H, W, 3), as the bytes of a file."""
    swapped = np.ascontiguousarray(image[..., ::-1])
    return bytes(cv2.imencode(suffix, swapped, options)[1].tobytes())
