"""The web application of the live page: who may ask, and what is answered.

It is for one person on one machine. Whoever asks must know the token, by the address or by the
cookie that it was changed into; a page of another site that the same browser shows can neither
read nor send anything, whatever name it gives this machine. No text of a request becomes a path.
"""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from functools import cache, lru_cache
from pathlib import Path

import cv2
import numpy as np
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from outtake.core.files import finite
from outtake.drawing.fit_picture import fit_picture
from outtake.pages.encode_pictures import QUALITY, read_picture
from outtake.pages.html_page import escape_json, plotly_source
from outtake.pages.live.live_runs import LiveRuns
from outtake.pages.request_guard import RequestGuard
from outtake.pages.templates import read_asset, render_template

PICTURE_WIDTH_PX = 1200
_MAX_KEY_CHARS = 300
_MAX_DIGITS = 15
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


def make_app(
    runs: LiveRuns, token: str, port: int, title: str, keys: Sequence[str], interval_s: float
) -> ASGIApp:
    """Return the application.

    Args:
        runs: What it shows.
        token: What whoever asks must know.
        port: The port on the loopback, which the addresses of requests must name.
        title: The title of the page, which is untrusted.
        keys: The metrics with a chart of their own.
        interval_s: The seconds between two questions of the page.
    """

    def page(request: Request) -> Response:
        data = {"title": title, "keys": list(keys), "interval_s": interval_s}
        return Response(
            render_template("live.html.jinja", title=title, data=escape_json(data)),
            media_type="text/html",
        )

    def state(request: Request) -> Response:
        since, key = request.query_params.get("since", "0"), request.query_params.get("key")
        if not _is_number(since) or len(key or "") > _MAX_KEY_CHARS:
            return PlainTextResponse("bad request", 400)
        return JSONResponse(finite(runs.newer_than(int(since), key)))

    def picture(request: Request) -> Response:
        number, place = request.path_params["run"], request.path_params["place"]
        if not (_is_number(number) and _is_number(place)):
            return PlainTextResponse("not found", 404)
        path = runs.picture(int(number), int(place))
        packed = None if path is None else _pack_picture(path)
        if packed is None:
            return PlainTextResponse("not found", 404)
        return Response(packed, media_type="image/jpeg")

    routes = [
        Route("/", page),
        Route("/state", state),
        Route("/pictures/{run}/{place}", picture),
        Route("/page.js", lambda request: _text(_script(), "text/javascript")),
        Route("/page.css", lambda request: _text(read_asset("page.css"), "text/css")),
        Route("/plotly.js", _plotly),
    ]
    return RequestGuard(Starlette(routes=routes), token, port, "watch", POLICY)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS


def _text(text: str, media_type: str) -> Response:
    return Response(text, media_type=media_type)


def _script() -> str:
    return read_asset("common.js") + read_asset("live.js")


def _plotly(request: Request) -> Response:
    return Response(
        _packed_plotly(), media_type="text/javascript", headers={"Content-Encoding": "gzip"}
    )


@cache
def _packed_plotly() -> bytes:
    return gzip.compress(plotly_source().encode(), 6, mtime=0)


def _pack_picture(path: Path) -> bytes | None:
    """Return a picture decoded and encoded anew, None if it cannot be read."""
    try:
        return _pack_picture_as_it_was(path, path.stat().st_mtime_ns)
    except OSError:
        return None


@lru_cache(64)
def _pack_picture_as_it_was(path: Path, modified_ns: int) -> bytes | None:
    picture = read_picture(path)
    if picture is None:
        return None
    if picture.shape[1] > PICTURE_WIDTH_PX:
        picture = fit_picture(picture, PICTURE_WIDTH_PX)
    swapped = np.ascontiguousarray(picture[..., ::-1])
    _, packed = cv2.imencode(".jpg", swapped, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return bytes(packed.tobytes())
