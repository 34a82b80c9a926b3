"""What the page asks of labels that are carried to frames without any."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from outtake.studio.label_png import encode_labels
from outtake.studio.request_values import answer, read_frame_number
from outtake.studio.studio_session import StudioSession


def list_flow_routes(session: StudioSession) -> list[Route]:
    """Return the routes of carried labels."""
    return [Route("/api/frames/{n}/flow", answer(lambda r, b: _flow(session, r)))]


def _flow(session: StudioSession, request: Request) -> Response:
    """Answer with a small PNG of class ids; 202 while it is computed, 204 where there is none."""
    number = read_frame_number(session, request)
    found = session.flow.find(number)
    if found is None:
        return Response(status_code=202 if session.flow.is_coming(number) else 204)
    return Response(encode_labels(found), media_type="image/png")
