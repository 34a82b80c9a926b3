"""The web application of the studio: what the page may ask of the one project that is open.

No text of a request becomes a path: frames are numbers in range, and files of the page are looked
up in what was read.
"""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp

from outtake.pages.request_guard import RequestGuard
from outtake.studio.export_routes import list_export_routes
from outtake.studio.frame_routes import list_frame_routes
from outtake.studio.import_routes import list_import_routes
from outtake.studio.job_routes import list_job_routes
from outtake.studio.layers_routes import list_layer_routes
from outtake.studio.page_files import list_page_routes
from outtake.studio.project_routes import list_project_routes
from outtake.studio.studio_session import StudioSession

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "media-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_METHODS = ("GET", "HEAD", "POST", "DELETE")


def make_app(session: StudioSession, token: str, port: int) -> ASGIApp:
    """Return the application.

    Args:
        session: The project that is open.
        token: What whoever asks must know.
        port: The port on the loopback, which the addresses of requests must name.
    """
    routes = [
        *list_page_routes(),
        *list_project_routes(session),
        *list_frame_routes(session),
        *list_job_routes(session),
        *list_layer_routes(session),
        *list_import_routes(session),
        *list_export_routes(session),
    ]
    app = Starlette(routes=routes, exception_handlers={HTTPException: _say_http_error})
    return RequestGuard(app, token, port, "studio", POLICY, _METHODS)


async def _say_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return PlainTextResponse(error.detail, error.status_code)
