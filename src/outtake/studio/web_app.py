"""The web application of the studio: what the page may ask of the one project that is open.

No text of a request becomes a path: frames are numbers in range, files of the page are in a list.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import cv2
import numpy as np
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import (
    FileResponse,
    JSONResponse,
    PlainTextResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Route
from starlette.types import ASGIApp

from outtake.core.errors import ConfigError, OutputError, OuttakeError
from outtake.core.files import finite
from outtake.core.types import Frame
from outtake.pages.request_guard import RequestGuard
from outtake.refine.superpixels import METHODS
from outtake.studio.frame_labels import RevisionError
from outtake.studio.job_commands import REMOVERS, RESULT, list_runs
from outtake.studio.label_png import encode_labels
from outtake.studio.studio_session import StudioSession

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "media-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_METHODS = ("GET", "HEAD", "POST", "DELETE")
_ASSETS = {
    "index.html": "text/html", "style.css": "text/css", "favicon.svg": "image/svg+xml",
    **dict.fromkeys(
        ("main.js", "raster.js", "history.js", "canvas.js", "timeline.js", "api.js", "jobs.js",
         "keys.js", "frames.js", "painting.js"), "text/javascript",
    ),
}  # fmt: skip
MAX_BODY_BYTES = 8 << 20
_MAX_WIDTH_PX = 16_384
_MAX_REGIONS = 20_000
_JPEG_QUALITY = 92
_EVENT_INTERVAL_S = 0.5
_MAX_DIGITS = 9
Answer = Callable[[Request, dict[str, Any]], Response]


def make_app(session: StudioSession, token: str, port: int) -> ASGIApp:
    """Return the application.

    Args:
        session: The project that is open.
        token: What whoever asks must know.
        port: The port on the loopback, which the addresses of requests must name.
    """

    async def events(request: Request) -> Response:
        return await _events(session, request)

    routes = [
        Route("/", lambda request: _asset("index.html")),
        Route("/favicon.ico", lambda request: _asset("favicon.svg")),
        Route("/web/{name}", lambda request: _asset(request.path_params["name"])),
        Route("/api/project", _answer(lambda r, b: _describe_project(session))),
        Route("/api/classes", _answer(lambda r, b: _add_class(session, b)), methods=["POST"]),
        Route("/api/frames/{n}", _answer(lambda r, b: _frame(session, r))),
        Route("/api/frames/{n}/regions", _answer(lambda r, b: _regions(session, r))),
        Route("/api/frames/{n}/labels", _answer(lambda r, b: _labels(session, r))),
        Route("/api/frames/{n}/strokes", _answer(lambda r, b: _strokes(session, r))),
        Route(
            "/api/frames/{n}/strokes", _answer(lambda r, b: _append(session, r, b)),
            methods=["POST"],
        ),
        Route(
            "/api/frames/{n}/propose", _answer(lambda r, b: _propose(session, r, b)),
            methods=["POST"],
        ),
        Route("/api/jobs", _answer(lambda r, b: _start_job(session, b)), methods=["POST"]),
        Route("/api/jobs", _answer(lambda r, b: _cancel_job(session)), methods=["DELETE"]),
        Route("/api/jobs/events", events),
        Route("/api/result", _answer(lambda r, b: _result(session))),
    ]  # fmt: skip
    app = Starlette(routes=routes, exception_handlers={HTTPException: _say_http_error})
    return RequestGuard(app, token, port, "studio", POLICY, _METHODS)


def _answer(function: Answer) -> Callable[[Request], Awaitable[Response]]:
    """Return a handler that reads the body, works in a thread, and says errors in one line."""

    async def handle(request: Request) -> Response:
        try:
            body = await _read_body(request) if request.method == "POST" else {}
            return await run_in_threadpool(function, request, body)
        except RevisionError as error:
            return PlainTextResponse(str(error), 412)
        except OutputError as error:
            return PlainTextResponse(str(error), 507)
        except OuttakeError as error:
            return PlainTextResponse(str(error), 400)

    return handle


async def _read_body(request: Request) -> dict[str, Any]:
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


async def _say_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return PlainTextResponse(error.detail, error.status_code)


def _describe_project(session: StudioSession) -> Response:
    project = session.project
    height, width = project.size
    with session.lock:
        return _json(
            {
                "name": project.folder.resolve().name,
                "clip": project.source.name,
                "frames": project.frames.count,
                "width": width,
                "height": height,
                "fps": float(project.frames.info.fps),
                "classes": project.classes,
                "labelled": project.labelled_frames(),
                "suggestions": project.suggestions(),
                "runs": [path.name for path in list_runs(project)],
                "removers": REMOVERS,
                "result": (project.folder / RESULT).is_file(),
                "proposals": session.has_proposals(),
                "job": session.describe_job(),
            }
        )


def _add_class(session: StudioSession, body: Mapping[str, Any]) -> Response:
    name = body.get("name")
    if not isinstance(name, str):
        raise ConfigError("name: must be text")
    with session.lock:
        session.project.add_class(name)
        return _json({"classes": session.project.classes})


def _frame(session: StudioSession, request: Request) -> Response:
    image = session.project.frames.read(_frame_number(session, request))
    width = _query_number(request, "width", image.shape[1], 16, _MAX_WIDTH_PX)
    if width < image.shape[1]:
        height = max(1, round(image.shape[0] * width / image.shape[1]))
        image = np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA))
    if request.query_params.get("exact") == "1":
        return Response(_encode(image, ".png", []), media_type="image/png")
    packed = _encode(image, ".jpg", [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return Response(packed, media_type="image/jpeg")


def _regions(session: StudioSession, request: Request) -> Response:
    """Answer with the number of the region of each pixel, in the three channels of a PNG."""
    number = _frame_number(session, request)
    count = _query_number(request, "count", 1000, 1, _MAX_REGIONS)
    method = request.query_params.get("method", METHODS[0])
    ids = session.regions(number, count, method).ids
    planes = np.stack([ids >> 16, ids >> 8, ids], axis=-1) & 255
    packed = _encode(planes.astype(np.uint8), ".png", [cv2.IMWRITE_PNG_COMPRESSION, 1])
    return Response(packed, media_type="image/png")


def _labels(session: StudioSession, request: Request) -> Response:
    with session.lock:
        labels = session.project.labels[_frame_number(session, request)]
        return Response(
            encode_labels(labels.labels),
            media_type="image/png",
            headers={"ETag": f'"{labels.revision}"'},
        )


def _strokes(session: StudioSession, request: Request) -> Response:
    with session.lock:
        labels = session.project.labels[_frame_number(session, request)]
        return _json(
            {
                "revision": labels.revision,
                "actions": labels.actions,
                "last_stroke": labels.history.last_stroke,
                "crc32": labels.checksum,
            }
        )


def _append(session: StudioSession, request: Request, body: Mapping[str, Any]) -> Response:
    revision, actions = body.get("revision"), body.get("actions")
    if type(revision) is not int or not isinstance(actions, list):
        raise ConfigError("strokes: need revision, a whole number, and actions, a list")
    with session.lock:
        labels = session.project.labels[_frame_number(session, request)]
        labels.append(revision, actions)
        return _json(
            {
                "revision": labels.revision,
                "crc32": labels.checksum,
                "labelled": session.project.labelled_frames(),
            }
        )


def _propose(session: StudioSession, request: Request, body: Mapping[str, Any]) -> Response:
    count = body.get("count", 1000)
    if type(count) is not int or not 1 <= count <= _MAX_REGIONS:
        raise ConfigError(f"count: must be a whole number from 1 to {_MAX_REGIONS}")
    number = _frame_number(session, request)
    with session.lock:
        found = session.propose(number, str(body.get("by")), count)
    return Response(encode_labels(found), media_type="image/png")


def _start_job(session: StudioSession, body: Mapping[str, Any]) -> Response:
    options = body.get("options", {})
    if not isinstance(options, dict):
        raise ConfigError("options: must be an object")
    with session.lock:
        session.start_job(body.get("kind"), options)
        return _json(session.describe_job())


def _cancel_job(session: StudioSession) -> Response:
    with session.lock:
        if session.jobs.current is not None:
            session.jobs.current.cancel()
        return _json(session.describe_job())


async def _events(session: StudioSession, request: Request) -> Response:
    """Answer with the state of the job, again whenever it has changed, as server-sent events."""

    async def events() -> AsyncIterator[str]:
        last = None
        while not await request.is_disconnected():
            text = json.dumps(finite(await run_in_threadpool(session.describe_job)))
            if text != last:
                yield f"data: {text}\n\n"
                last = text
            await asyncio.sleep(_EVENT_INTERVAL_S)

    return StreamingResponse(events(), media_type="text/event-stream")


def _result(session: StudioSession) -> Response:
    path = session.project.folder / RESULT
    if not path.is_file():
        return PlainTextResponse("there is no result yet; remove first", 404)
    return FileResponse(path, media_type="video/mp4", filename=path.name)


def _frame_number(session: StudioSession, request: Request) -> int:
    text = request.path_params["n"]
    if not _is_number(text) or int(text) >= session.project.frames.count:
        raise ConfigError(f"frame: must be 0 to {session.project.frames.count - 1}")
    return int(text)


def _query_number(request: Request, key: str, default: int, least: int, most: int) -> int:
    text = request.query_params.get(key)
    if text is None:
        return default
    if not _is_number(text) or not least <= int(text) <= most:
        raise ConfigError(f"{key}: must be a whole number from {least} to {most}")
    return int(text)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS


def _json(content: Any) -> Response:
    return JSONResponse(finite(content))


def _encode(image: Frame, suffix: str, options: list[int]) -> bytes:
    swapped = np.ascontiguousarray(image[..., ::-1])
    return bytes(cv2.imencode(suffix, swapped, options)[1].tobytes())


def _asset(name: str) -> Response:
    if name not in _ASSETS:
        return PlainTextResponse("not found", 404)
    return Response(_read_asset(name), media_type=_ASSETS[name])


@cache
def _read_asset(name: str) -> bytes:
    return files("outtake.studio").joinpath("web", name).read_bytes()
