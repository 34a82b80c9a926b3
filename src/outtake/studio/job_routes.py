"""What the page asks of jobs: start, cancel, follow, and fetch what came of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from outtake.core.errors import ConfigError
from outtake.core.files import finite
from outtake.studio.removal_commands import RESULT
from outtake.studio.request_values import answer, send_json
from outtake.studio.studio_session import StudioSession

_EVENT_INTERVAL_S = 0.5


def list_job_routes(session: StudioSession) -> list[Route]:
    """Return the routes of jobs."""

    async def events(request: Request) -> Response:
        return await _events(session, request)

    return [
        Route("/api/jobs", answer(lambda r, b: _start_job(session, b)), methods=["POST"]),
        Route("/api/jobs", answer(lambda r, b: _cancel_job(session)), methods=["DELETE"]),
        Route("/api/jobs/events", events),
        Route("/api/result", answer(lambda r, b: _result(session))),
    ]


def _start_job(session: StudioSession, body: Mapping[str, Any]) -> Response:
    options = body.get("options", {})
    if not isinstance(options, dict):
        raise ConfigError("options: must be an object")
    with session.lock:
        session.start_job(body.get("kind"), options)
        return send_json(session.describe_job())


def _cancel_job(session: StudioSession) -> Response:
    with session.lock:
        if session.jobs.current is not None:
            session.jobs.current.cancel()
        return send_json(session.describe_job())


async def _events(session: StudioSession, request: Request) -> Response:
    """Answer with the state of the job, again whenever it has changed, as server-sent events."""

    async def events() -> AsyncIterator[str]:
        last = None
        # Whoever asks again hears that another project is open.
        while not (session.project.closed or await request.is_disconnected()):
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
