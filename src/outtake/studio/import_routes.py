"""What the page asks when it brings masks of other programs."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from outtake.core.errors import ConfigError, OutputError
from outtake.core.files import finite
from outtake.studio.allowed_paths import resolve_below
from outtake.studio.import_masks import MaskImport, estimate_bytes
from outtake.studio.receive_file import MIB, receive_file
from outtake.studio.request_values import answer, read_query_number, say_errors, send_json
from outtake.studio.strokes import UNLABELLED
from outtake.studio.studio_session import StudioSession
from outtake.studio.unpack_masks import ReceivedFiles, list_folder, unpack_zip

_FOLDER = ".import-"
# Masks pack well: this many times the size of the zip.
_MOST_UNPACKED = 20


def list_import_routes(session: StudioSession) -> list[Route]:
    """Return the routes that take masks.

    Those that are posted to answer with lines of JSON: how many masks are done, at the end what
    became of all.
    """

    async def receive(request: Request) -> Response:
        return await _receive(session, request)

    return [
        Route("/api/masks/every-frame", answer(lambda r, b: _estimate(session))),
        Route(
            "/api/masks/imports", answer(lambda r, b: send_json({"running": len(session.imports)}))
        ),
        Route("/api/masks/import", say_errors(receive), methods=["POST"]),
        Route(
            "/api/masks/import-folder",
            answer(lambda r, b: _open_folder(session, b)),
            methods=["POST"],
        ),
    ]


def _estimate(session: StudioSession) -> Response:
    """Answer with how much labels of all frames would need, and how much is free."""
    project = session.project
    return send_json(
        {
            "frames": project.frames.count,
            "bytes": estimate_bytes(project),
            "free": shutil.disk_usage(project.folder).free,
        }
    )


async def _receive(session: StudioSession, request: Request) -> Response:
    """Take a zip that is sent."""
    white = read_query_number(request, "white", 1, 0, UNLABELLED)
    every = request.query_params.get("every_frame") == "1"
    folder = await run_in_threadpool(_make_folder, session.project.folder)
    with ExitStack() as cleanup:
        cleanup.enter_context(_note_import(session))
        cleanup.callback(shutil.rmtree, folder, ignore_errors=True)
        await receive_file(request, folder / "masks.zip", session.settings.import_mib)
        found = await run_in_threadpool(_prepare_zip, session, folder, white, every)
        return _stream(session, found, cleanup.pop_all())


def _prepare_zip(session: StudioSession, folder: Path, white: int, every: bool) -> MaskImport:
    unpacked = folder / "unpacked"
    unpacked.mkdir()
    limit = session.settings.import_mib * MIB * _MOST_UNPACKED
    free = shutil.disk_usage(folder).free
    received = unpack_zip(folder / "masks.zip", unpacked, session.project.size, min(limit, free))
    return _prepare(session, received, white, every)


def _open_folder(session: StudioSession, body: dict[str, Any]) -> Response:
    """Take the masks of a folder of this machine."""
    white, every = body.get("white", 1), body.get("every_frame", False)
    if type(white) is not int or type(every) is not bool:
        raise ConfigError("white: must be a whole number, and every_frame true or false")
    folder = resolve_below(session.settings.roots, body.get("path"))
    if not folder.is_dir():
        raise ConfigError(f"{folder.name}: is no folder")
    with ExitStack() as cleanup:
        cleanup.enter_context(_note_import(session))
        received = list_folder(folder, session.project.size)
        return _stream(session, _prepare(session, received, white, every), cleanup.pop_all())


@contextmanager
def _note_import(session: StudioSession) -> Iterator[None]:
    """Let the session know of an import until it ends, also where nobody waits for it."""
    one = object()
    session.imports.add(one)
    try:
        yield
    finally:
        session.imports.discard(one)


def _prepare(
    session: StudioSession, received: ReceivedFiles, white: int, every: bool
) -> MaskImport:
    found = MaskImport(session.project, received, white, every)
    if not received.files and not found.problems:
        raise ConfigError("there is no mask in it: PNG files, or JSON files of LabelMe")
    return found


def _stream(session: StudioSession, found: MaskImport, cleanup: ExitStack) -> Response:
    def lines() -> Iterator[str]:
        for done, of in found.run(session.lock):
            yield json.dumps({"done": done, "of": of}) + "\n"
        yield json.dumps(finite(found.summary())) + "\n"

    return _CleaningResponse(lines(), cleanup)


class _CleaningResponse(StreamingResponse):
    """Lines of JSON; what they need is taken away at the end, or when nobody wants them."""

    def __init__(self, lines: Iterator[str], cleanup: ExitStack) -> None:
        super().__init__(lines, media_type="application/x-ndjson")
        self._cleanup = cleanup

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._cleanup:
            await super().__call__(scope, receive, send)


def _make_folder(project: Path) -> Path:
    """Return an empty folder on the disk of the project; what killed processes left goes."""
    own = f"{_FOLDER}{os.getpid()}-"
    for old in project.glob(f"{_FOLDER}*"):
        if not old.name.startswith(own):
            shutil.rmtree(old, ignore_errors=True)
    try:
        return Path(tempfile.mkdtemp(prefix=own, dir=project))
    except OSError as error:
        raise OutputError(f"cannot write {project}: {error.strerror or error}") from error
