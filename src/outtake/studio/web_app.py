"""The web application of the studio: what the page may ask of the one project that is open.

No text of a request becomes a path but below ``roots``: frames are numbers in range, and files of
the page are looked up in what was read.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from outtake.pages.request_guard import LOOPBACK_NAMES, RequestGuard
from outtake.studio.export_routes import list_export_routes
from outtake.studio.flow_routes import list_flow_routes
from outtake.studio.frame_routes import list_frame_routes
from outtake.studio.import_routes import list_import_routes
from outtake.studio.job_routes import list_job_routes
from outtake.studio.layers_routes import list_layer_routes
from outtake.studio.open_routes import list_open_routes
from outtake.studio.open_sessions import OpenSessions
from outtake.studio.page_files import list_page_routes
from outtake.studio.project_routes import list_project_routes
from outtake.studio.removal_routes import list_removal_routes
from outtake.studio.request_values import refuse_other
from outtake.studio.still_routes import list_still_routes
from outtake.studio.studio_session import StudioSession

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "media-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_METHODS = ("GET", "HEAD", "POST", "DELETE")
# Which project a request is about: in this header, or in the address where none can be sent.
SESSION_HEADER, SESSION_KEY = "X-Outtake-Session", "session"


def make_app(
    opened: StudioSession | OpenSessions,
    token: str,
    port: int,
    hosts: Collection[str] = LOOPBACK_NAMES,
) -> ASGIApp:
    """Return the application.

    Args:
        opened: The project that is open, or whatever will be.
        token: What whoever asks must know.
        port: The port that the addresses of requests must name.
        hosts: The names of this machine, one of which they must have.
    """
    sessions = opened
    if isinstance(sessions, StudioSession):
        sessions = OpenSessions(sessions.settings, sessions)
    routes = [*list_lasting_routes(sessions), Mount("/", app=_OpenProject(sessions))]
    return RequestGuard(_route(routes), token, port, "studio", POLICY, _METHODS, hosts)


def list_lasting_routes(sessions: OpenSessions) -> list[Route]:
    """Return the routes that are there whether or not a project is open."""
    return [*list_page_routes(), *list_open_routes(sessions)]


def list_session_routes(session: StudioSession) -> list[Route]:
    """Return the routes of the project that is open."""
    return [
        *list_project_routes(session),
        *list_frame_routes(session),
        *list_flow_routes(session),
        *list_job_routes(session),
        *list_layer_routes(session),
        *list_still_routes(session),
        *list_import_routes(session),
        *list_export_routes(session),
        *list_removal_routes(session),
    ]


class _OpenProject:
    """Answers what is asked of the open project; routes are new for each, and all they keep.

    A page shows one project until it is loaded again, while another page may open another one: what
    is asked of a project that is no longer open is refused.
    """

    def __init__(self, sessions: OpenSessions) -> None:
        self._sessions = sessions
        self._session: StudioSession | None = None
        self._app: ASGIApp = PlainTextResponse("no clip is open; choose one", 409)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        session, request = self._sessions.session, Request(scope)
        if session is not None and session is not self._session:
            self._session, self._app = session, _route(list_session_routes(session))
        asked = request.headers.get(SESSION_HEADER) or request.query_params.get(SESSION_KEY)
        if asked is None or (session is not None and asked == session.id):
            await self._app(scope, receive, send)
            return
        said = "another project is open now" if session else "this project is not open any more"
        await refuse_other(said)(scope, receive, send)


def _route(routes: Sequence[BaseRoute]) -> Starlette:
    return Starlette(routes=routes, exception_handlers={HTTPException: _say_http_error})


async def _say_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return PlainTextResponse(error.detail, error.status_code)
