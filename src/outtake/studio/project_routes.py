"""What the page asks of the project as a whole: what it is, and its classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from outtake.core.errors import ConfigError
from outtake.core.printable_text import to_printable
from outtake.studio.job_commands import list_fresh_labels, list_runs
from outtake.studio.removal_commands import (
    REMOVERS,
    RESULT,
    count_kept_frames,
    default_choice,
    read_choice,
)
from outtake.studio.request_values import answer, read_path_number, send_json
from outtake.studio.studio_session import StudioSession


def list_project_routes(session: StudioSession) -> list[Route]:
    """Return the routes of the project."""
    return [
        Route("/api/project", answer(lambda r, b: _describe_project(session))),
        Route("/api/classes", answer(lambda r, b: _add_class(session, b)), methods=["POST"]),
        Route(
            "/api/classes/{n}",
            answer(lambda r, b: _change_class(session, r, b)),
            methods=["POST"],
        ),
    ]


def _describe_project(session: StudioSession) -> Response:
    project = session.project
    height, width = project.size
    with session.lock:
        return send_json(
            {
                "session": session.id,
                "folder": to_printable(str(project.folder.resolve())),
                "name": to_printable(project.folder.resolve().name),
                "clip": to_printable(project.source.name),
                "frames": project.frames.count,
                "width": width,
                "height": height,
                "fps": float(project.frames.info.fps),
                "classes": project.classes,
                "colours": project.colours,
                "labelled": project.labelled_frames(),
                "suggestions": project.suggestions(),
                "runs": [path.name for path in list_runs(project)],
                "removers": REMOVERS,
                "removal": _describe_removal(session),
                "result": (project.folder / RESULT).is_file(),
                "proposals": session.masks.exist(),
                "job": session.describe_job(),
            }
        )


def _describe_removal(session: StudioSession) -> dict[str, Any]:
    """Return what was chosen last, what is kept of it, and the labels that came after training."""
    kept = read_choice(session.project)
    return {
        "choice": default_choice() if kept is None else kept[1],
        "kept_frames": count_kept_frames(session.project),
        "fresh": list_fresh_labels(session.project),
        "results": session.results.describe(),
    }


def _add_class(session: StudioSession, body: Mapping[str, Any]) -> Response:
    name = body.get("name")
    if not isinstance(name, str):
        raise ConfigError("name: must be text")
    with session.lock:
        session.project.add_class(name)
        return _list_classes(session)


def _change_class(session: StudioSession, request: Request, body: Mapping[str, Any]) -> Response:
    name, colour = body.get("name"), body.get("colour")
    if not isinstance(name, str | None) or not isinstance(colour, str | None):
        raise ConfigError("class: name and colour must be text")
    with session.lock:
        if name is not None and list_runs(session.project):
            raise ConfigError(
                "class: a network was trained with the former name, and would not be found by "
                "another; names can be changed before the first training"
            )
        number = read_path_number(request, "class", len(session.project.classes))
        session.project.change_class(number, name, colour)
        return _list_classes(session)


def _list_classes(session: StudioSession) -> Response:
    return send_json({"classes": session.project.classes, "colours": session.project.colours})
