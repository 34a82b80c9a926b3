"""What the page downloads of a project."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from outtake.core.errors import ConfigError
from outtake.studio.export_files import Entry, FrameExport, pack
from outtake.studio.removal_commands import RESULT
from outtake.studio.request_values import answer, read_query_number, send_json
from outtake.studio.studio_session import StudioSession

_ARCHIVES: dict[str, Callable[[FrameExport], Iterator[Entry]]] = {
    "masks": FrameExport.masks,
    "cutouts": FrameExport.cutouts,
    "labelme": FrameExport.labelme,
    "training_set": FrameExport.training_set,
}
_PLAIN = re.compile(r"[^A-Za-z0-9._-]+")


def list_export_routes(session: StudioSession) -> list[Route]:
    """Return the routes of what can be taken along."""
    archives = [
        Route(f"/api/export/{name}.zip", answer(partial(_archive, session, name)))
        for name in _ARCHIVES
    ]
    return [
        Route("/api/export", answer(lambda r, b: _describe(session))),
        Route("/api/export/cutout.png", answer(lambda r, b: _cutout(session, r))),
        *archives,
    ]


def _describe(session: StudioSession) -> Response:
    """Answer with how much there is of each."""
    labelled = len(session.project.labelled_frames())
    frames = session.project.frames.count
    return send_json(
        {
            "labelled": labelled,
            "masks": frames if session.masks.exist() else labelled,
            "frames": frames,
            "result": (session.project.folder / RESULT).is_file(),
        }
    )


def _cutout(session: StudioSession, request: Request) -> Response:
    last = session.project.frames.count - 1
    number = read_query_number(request, "frame", 0, 0, last)
    export = _export(session)
    name = f"{_stem(session)}_{export.name(number)}.png"
    return Response(export.cutout(number), media_type="image/png", headers=_as_file(name))


def _archive(session: StudioSession, name: str, request: Request, body: object) -> Response:
    if not session.project.labelled_frames() and not (name == "masks" and session.masks.exist()):
        raise ConfigError("no frame is labelled yet; there is nothing to take along")
    return StreamingResponse(
        pack(_ARCHIVES[name](_export(session))),
        media_type="application/zip",
        headers=_as_file(f"{_stem(session)}_{name}.zip"),
    )


def _export(session: StudioSession) -> FrameExport:
    return FrameExport(session.project, session.masks.read, session.lock)


def _stem(session: StudioSession) -> str:
    return session.project.folder.resolve().name.removesuffix(".outtake")


def _as_file(name: str) -> dict[str, str]:
    """Return the header that makes an answer a file, whatever the project is called."""
    plain = _PLAIN.sub("_", name).lstrip(".") or "file"
    full = quote(name.encode("utf-8", "replace"), safe="")
    return {"Content-Disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{full}"}
