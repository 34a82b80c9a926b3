"""What the page asks to choose a clip or a project."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from outtake.core.errors import ConfigError
from outtake.studio.allowed_paths import resolve_below
from outtake.studio.list_files import list_files
from outtake.studio.open_sessions import ENDINGS, OpenSessions
from outtake.studio.receive_file import receive_file
from outtake.studio.request_values import answer, say_errors, send_json
from outtake.studio.studio_session import StudioSession


def list_open_routes(sessions: OpenSessions) -> list[Route]:
    """Return the routes that are there whether or not a project is open."""

    async def upload(request: Request) -> Response:
        return await _upload(sessions, request)

    return [
        Route("/api/files", answer(lambda r, b: _list_files(sessions, r))),
        Route("/api/recent", answer(lambda r, b: _recent(sessions))),
        Route("/api/open", answer(lambda r, b: _open(sessions, b)), methods=["POST"]),
        Route("/api/upload", say_errors(upload), methods=["POST"]),
    ]


def _open(sessions: OpenSessions, body: Mapping[str, Any]) -> Response:
    end_job = body.get("end_job", False)
    if type(end_job) is not bool:
        raise ConfigError("end_job: must be true or false")
    if set(body) - {"end_job"} == {"project"}:
        return _say_opened(sessions.open_recent(body["project"], end_job))
    if set(body) - {"end_job"} == {"path"}:
        return _say_opened(sessions.open_path(body["path"], end_job))
    if set(body) - {"end_job"} == {"session"}:
        return _say_opened(sessions.open_again(body["session"], end_job))
    raise ConfigError("open: needs path, or project, the name of one that is here")


async def _upload(sessions: OpenSessions, request: Request) -> Response:
    ending = request.query_params.get("ending", "").lower()
    if ending not in ENDINGS:
        raise ConfigError(f"ending: must be that of a video or a picture: {', '.join(ENDINGS)}")
    end_job = request.query_params.get("end_job") == "1"
    sessions.check_job(end_job)
    folder = await run_in_threadpool(sessions.new_upload_folder)
    clip = folder / f"clip{ending}"
    try:
        await receive_file(request, clip, sessions.settings.upload_mib)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return _say_opened(await run_in_threadpool(sessions.open_upload, folder, clip, end_job))


def _say_opened(session: StudioSession) -> Response:
    return send_json({"name": session.project.folder.resolve().name})


def _recent(sessions: OpenSessions) -> Response:
    session = sessions.session
    job = session.jobs.current if session else None
    return send_json(
        {
            "running": job.command.kind if job and job.state == "running" else None,
            "projects": [
                {"name": each.name, "changed_s": each.changed_s}
                for each in sessions.recent()
                if each.name.isprintable()
            ],
            "open": None if session is None else session.project.folder.resolve().name,
            "upload_mib": sessions.settings.upload_mib,
            "endings": ENDINGS,
        }
    )


def _list_files(sessions: OpenSessions, request: Request) -> Response:
    roots = sessions.settings.roots
    under = request.query_params.get("under")
    if under is None and len(roots) > 1:
        entries = [
            {"name": str(root), "path": str(root.resolve()), "kind": "folder"} for root in roots
        ]
        return send_json({"folder": None, "above": None, "entries": entries, "others": 0})
    folder = resolve_below(roots, str(roots[0].resolve()) if under is None else under)
    if not folder.is_dir():
        raise ConfigError(f"{folder.name}: is no folder")
    found, others = list_files(folder, roots)
    above = folder.parent
    inside = any(above.is_relative_to(root.resolve()) for root in roots)
    return send_json(
        {
            "folder": str(folder),
            "above": str(above) if inside else None,
            "entries": [
                {"name": each.name, "path": str(each.path), "kind": each.kind, "size": each.size}
                for each in found
            ],
            "others": others,
        }
    )
