"""What the page asks of results: single frames of the clean clip and of the preview."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from outtake.studio.request_values import answer, read_number, send_frame
from outtake.studio.studio_session import StudioSession

_MAX_FRAMES = 10**9 - 1


def list_removal_routes(session: StudioSession) -> list[Route]:
    """Return the routes of results."""
    return [
        Route("/api/results/{name}/frames/{n}", answer(lambda r, b: _frame(session, r))),
    ]


def _frame(session: StudioSession, request: Request) -> Response:
    number = read_number("frame", request.path_params["n"], 0, _MAX_FRAMES)
    return send_frame(request, session.results.read(request.path_params["name"], number))
