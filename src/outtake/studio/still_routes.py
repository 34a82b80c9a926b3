"""What the page asks of a project of one picture."""

from __future__ import annotations

from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from outtake.studio.request_values import answer, send_json
from outtake.studio.still_picture import (
    STILL_REMOVERS,
    find_picture,
    find_still_result,
    list_conversions,
)
from outtake.studio.studio_session import StudioSession


def list_still_routes(session: StudioSession) -> list[Route]:
    """Return the routes of a project of one picture."""
    return [
        Route("/api/still", answer(lambda r, b: _describe_still(session))),
        Route("/api/still/result", answer(lambda r, b: _still_result(session))),
    ]


def _describe_still(session: StudioSession) -> Response:
    """Answer with what a project of one picture has, and what is converted for the page."""
    with session.lock:
        project = session.project
        return send_json(
            {
                "picture": find_picture(project) is not None,
                "removers": STILL_REMOVERS,
                "result": find_still_result(project) is not None,
                "notes": list_conversions(project),
            }
        )


def _still_result(session: StudioSession) -> Response:
    with session.lock:
        path = find_still_result(session.project)
    if path is None:
        return PlainTextResponse("there is no result yet; remove first", 404)
    return FileResponse(path, filename=path.name)
