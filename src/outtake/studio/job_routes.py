"""What the page asks of jobs: start, cancel, follow, and fetch what came of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from outtake.core.errors import ConfigError
from outtake.studio.removal_commands import RESULT
from outtake.studio.request_values import answer, send_json
from outtake.studio.studio_session import StudioSession


def list_job_routes(session: StudioSession) -> list[Route]:
    """Return the routes of jobs."""
    return [
        Route("/api/jobs", answer(lambda r, b: send_json(session.describe_job()))),
        Route("/api/jobs", answer(lambda r, b: _start_job(session, b)), methods=["POST"]),
        Route("/api/jobs", answer(lambda r, b: _cancel_job(session)), methods=["DELETE"]),
        Route("/api/result", answer(lambda r, b: _result(session))),
    ]


def _start_job(session: StudioSession, body: Mapping[str, Any]) -> Response:
    options = body.get("options", {})
    if not isinstance(options, dict):
        raise ConfigError("options: must be an object")
    with session.lock:
        notices = session.start_job(body.get("kind"), options)
        return send_json({**(session.describe_job() or {}), "notices": notices})


def _cancel_job(session: StudioSession) -> Response:
    with session.lock:
        if session.jobs.current is not None:
            session.jobs.current.cancel()
        return send_json(session.describe_job())


def _result(session: StudioSession) -> Response:
    path = session.project.folder / RESULT
    if not path.is_file():
        return PlainTextResponse("there is no result yet; remove first", 404)
    return FileResponse(path, media_type="video/mp4", filename=path.name)
