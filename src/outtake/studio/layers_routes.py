"""What the page asks of layers: where they lie, their pictures, cut-outs, and the composition."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from outtake.core.errors import ConfigError
from outtake.core.types import Frame
from outtake.core.validate import is_number
from outtake.studio.composition import compose
from outtake.studio.cutout import MAX_FEATHER_PX, Edge, crop_to_object, cut_out
from outtake.studio.layer_pictures import MAX_UPLOAD_BYTES, decode_picture
from outtake.studio.layer_stack import Layers
from outtake.studio.request_values import (
    answer,
    read_frame_number,
    read_query_number,
    say_errors,
    send_json,
)
from outtake.studio.still_picture import find_still_result
from outtake.studio.studio_session import StudioSession

_PNG = [cv2.IMWRITE_PNG_COMPRESSION, 1]


class _OpenLayers:
    """The layers of a session, which are read when they are asked for first.

    A damaged file is an error of this part of the page alone.
    """

    def __init__(self, session: StudioSession) -> None:
        self.session = session
        self._found: Layers | None = None

    @property
    def layers(self) -> Layers:
        if self._found is None:
            self._found = Layers(self.session.project.folder)
        return self._found


def list_layer_routes(session: StudioSession) -> list[Route]:
    """Return the routes of layers and cut-outs."""
    opened = _OpenLayers(session)

    async def upload(request: Request) -> Response:
        content = await _read_upload(request)
        return await run_in_threadpool(_add_picture, opened, content)

    root = "/api/layers"
    return [
        Route(root, answer(lambda r, b: _describe(opened))),
        Route(root, answer(lambda r, b: _change(opened, "replace", b)), methods=["POST"]),
        Route(f"{root}/undo", answer(lambda r, b: _change(opened, "undo", b)), methods=["POST"]),
        Route(f"{root}/redo", answer(lambda r, b: _change(opened, "redo", b)), methods=["POST"]),
        Route(f"{root}/pictures", say_errors(upload), methods=["POST"]),
        Route(f"{root}/pictures/{{digest}}", answer(lambda r, b: _picture(opened, r))),
        Route(f"{root}/result", answer(lambda r, b: _add_result(opened)), methods=["POST"]),
        Route(f"{root}/cutout", answer(lambda r, b: _add_cutout(opened, b)), methods=["POST"]),
        Route(f"{root}/composition", answer(lambda r, b: _composition(opened, r))),
        Route("/api/frames/{n}/cutout", answer(lambda r, b: _cutout(session, r))),
    ]


def _describe(opened: _OpenLayers) -> Response:
    with opened.session.lock:
        return send_json(opened.layers.describe())


def _change(opened: _OpenLayers, how: str, body: Mapping[str, Any]) -> Response:
    with opened.session.lock:
        layers = opened.layers
        if how == "undo":
            layers.undo(body.get("revision"))
        elif how == "redo":
            layers.redo(body.get("revision"))
        else:
            layers.replace(body.get("revision"), body.get("layers"))
        return send_json(layers.describe())


async def _read_upload(request: Request) -> bytes:
    """Return the bytes that were sent, at most 64 MiB.

    Raises:
        HTTPException: There are more, or it was cut off.
    """
    too_large = HTTPException(413, f"a picture may have {MAX_UPLOAD_BYTES >> 20} MiB")
    said = request.headers.get("content-length", "0")
    if not (said.isascii() and said.isdigit() and len(said) < 10 and int(said) <= MAX_UPLOAD_BYTES):
        raise too_large
    content = bytearray()
    try:
        async for chunk in request.stream():
            content += chunk
            if len(content) > MAX_UPLOAD_BYTES:
                raise too_large
    except ClientDisconnect as error:
        raise HTTPException(400, "cut off") from error
    return bytes(content)


def _add_picture(opened: _OpenLayers, content: bytes) -> Response:
    image, notes = decode_picture(content)
    with opened.session.lock:
        pictures = opened.layers.pictures
    digest = pictures.add(image)
    return send_json(_describe_picture(digest, image) | {"notes": notes})


def _add_result(opened: _OpenLayers) -> Response:
    """Keep the picture without its objects as a picture of a layer."""
    with opened.session.lock:
        path = find_still_result(opened.session.project)
        pictures = opened.layers.pictures
    if path is None:
        raise ConfigError("there is no result yet; remove first")
    image, notes = decode_picture(path.read_bytes())
    return send_json(_describe_picture(pictures.add(image), image) | {"notes": notes})


def _picture(opened: _OpenLayers, request: Request) -> Response:
    digest = request.path_params["digest"]
    with opened.session.lock:
        opened.layers.pictures.size(digest)
        return Response(opened.layers.pictures.content(digest), media_type="image/png")


def _add_cutout(opened: _OpenLayers, body: Mapping[str, Any]) -> Response:
    """Keep the object of a frame as a picture, and say where it was."""
    frame, classes = body.get("frame"), body.get("classes")
    count = opened.session.project.frames.count
    if type(frame) is not int or not 0 <= frame < count:
        raise ConfigError(f"frame: must be 0 to {count - 1}")
    if not isinstance(classes, list) or not all(type(each) is int for each in classes):
        raise ConfigError("classes: must be a list of numbers")
    smooth, feather_px = body.get("smooth", False), body.get("feather", 0)
    if type(smooth) is not bool:
        raise ConfigError("smooth: must be true or false")
    if not is_number(feather_px) or not 0 <= feather_px <= MAX_FEATHER_PX:
        raise ConfigError(f"feather: must be a number from 0 to {MAX_FEATHER_PX}")
    with opened.session.lock:
        whole = _make_cutout(opened.session, frame, classes, Edge(feather_px, smooth))
        picture, (x, y) = crop_to_object(whole)
        digest = opened.layers.pictures.add(picture)
    return send_json(_describe_picture(digest, picture) | {"x": x, "y": y})


def _cutout(session: StudioSession, request: Request) -> Response:
    """Answer with the object of a frame as a transparent PNG of the size of the frame."""
    number = read_frame_number(session, request)
    feather_px = read_query_number(request, "feather", 0, 0, MAX_FEATHER_PX)
    edge = Edge(feather_px, read_query_number(request, "smooth", 0, 0, 1) == 1)
    listed = request.query_params.get("classes", "1").split(",")
    if not all(each.isascii() and each.isdigit() and len(each) < 4 for each in listed):
        raise ConfigError("classes: must be numbers with commas between")
    with session.lock:
        found = _make_cutout(session, number, [int(each) for each in listed], edge)
    return _send_png(found, f"cutout_{number:06d}.png")


def _make_cutout(session: StudioSession, number: int, classes: list[int], edge: Edge) -> Frame:
    known = range(len(session.project.classes))
    if not classes or not all(each in known for each in classes):
        raise ConfigError(f"classes: must be of 0 to {known[-1]}")
    labels = session.project.labels[number].labels
    return cut_out(session.project.frames.read(number), labels, classes, edge)


def _composition(opened: _OpenLayers, request: Request) -> Response:
    """Answer with a frame and the layers over it, or the layers alone, as PNG."""
    project = opened.session.project
    number = read_query_number(request, "frame", 0, 0, project.frames.count - 1)
    over_frame = read_query_number(request, "over_frame", 1, 0, 1) == 1
    with opened.session.lock:
        layers = opened.layers
        lying, revision = layers.layers, layers.revision
    # Strokes are saved meanwhile: what lies there is replaced, never changed.
    frame = project.frames.read(number) if over_frame else None
    drawn = compose(lying, layers.pictures.read, project.size, frame)
    answered = _send_png(drawn, f"composition_{number:06d}.png")
    answered.headers["X-Layers-Revision"] = str(revision)
    return answered


def _describe_picture(digest: str, image: Frame) -> dict[str, Any]:
    return {"picture": digest, "width": image.shape[1], "height": image.shape[0]}


def _send_png(image: Frame, name: str) -> Response:
    """Answer with a picture, uint8 (H, W, 3 or 4), as the file that a browser stores."""
    swapped = np.ascontiguousarray(image[..., [2, 1, 0, 3][: image.shape[2]]])
    content = bytes(cv2.imencode(".png", swapped, _PNG)[1].tobytes())
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, media_type="image/png", headers=headers)
