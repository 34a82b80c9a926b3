"""What the page asks of the project as a whole: what it is, and its classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response
from starlette.routing import Route

from outtake.core.errors import ConfigError
from outtake.studio.job_commands import REMOVERS, RESULT, list_runs
from outtake.studio.request_values import answer, send_json
from outtake.studio.studio_session import StudioSession


def list_project_routes(session: StudioSession) -> list[Route]:
    """Return the routes of the project."""
    return [
        Route("/api/project", answer(lambda r, b: _describe_project(session))),
        Route("/api/classes", answer(lambda r, b: _add_class(session, b)), methods=["POST"]),
    ]


def _describe_project(session: StudioSession) -> Response:
    project = session.project
    height, width = project.size
    with session.lock:
        return send_json(
            {
                "name": project.folder.resolve().name,
                "clip": project.source.name,
                "frames": project.frames.count,
                "width": width,
                "height": height,
                "fps": float(project.frames.info.fps),
                "classes": project.classes,
                "labelled": project.labelled_frames(),
                "suggestions": project.suggestions(),
                "runs": [path.name for path in list_runs(project)],
                "removers": REMOVERS,
                "result": (project.folder / RESULT).is_file(),
                "proposals": session.has_proposals(),
                "job": session.describe_job(),
            }
        )


def _add_class(session: StudioSession, body: Mapping[str, Any]) -> Response:
    name = body.get("name")
    if not isinstance(name, str):
        raise ConfigError("name: must be text")
    with session.lock:
        session.project.add_class(name)
        return send_json({"classes": session.project.classes})
