"""The files of the page: those that come with the package, and nothing else."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import PurePath

from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

_MEDIA_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}


def list_page_routes() -> list[Route]:
    """Return the routes of the page and what it loads."""
    return [
        Route("/", lambda request: _asset("index.html")),
        Route("/favicon.ico", lambda request: _asset("favicon.svg")),
        Route("/web/{name}", lambda request: _asset(request.path_params["name"])),
    ]


def _asset(name: str) -> Response:
    found = _read_assets().get(name)
    if found is None:
        return PlainTextResponse("not found", 404)
    return Response(found, media_type=_MEDIA_TYPES[PurePath(name).suffix])


@cache
def _read_assets() -> dict[str, bytes]:
    """Return the files of the page by their names; what is asked for is looked up, not opened."""
    entries = files("outtake.studio").joinpath("web").iterdir()
    return {
        entry.name: entry.read_bytes()
        for entry in entries
        if PurePath(entry.name).suffix in _MEDIA_TYPES
    }
