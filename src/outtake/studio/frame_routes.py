"""What the page asks of one frame: its picture, its regions, its labels, proposals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from outtake.core.errors import ConfigError
from outtake.refine.superpixels import METHODS
from outtake.studio.label_png import encode_labels
from outtake.studio.proposals import LEAST_PX
from outtake.studio.request_values import (
    answer,
    encode_picture,
    read_frame_number,
    read_query_number,
    send_frame,
    send_json,
)
from outtake.studio.studio_session import StudioSession

_MAX_REGIONS = 20_000
_MAX_LEAST_PX = 10_000


def list_frame_routes(session: StudioSession) -> list[Route]:
    """Return the routes of single frames."""
    frame = "/api/frames/{n}"
    return [
        Route(frame, answer(lambda r, b: _frame(session, r))),
        Route(f"{frame}/regions", answer(lambda r, b: _regions(session, r))),
        Route(f"{frame}/plate", answer(lambda r, b: _plate(session, r))),
        Route(f"{frame}/labels", answer(lambda r, b: _labels(session, r))),
        Route(f"{frame}/strokes", answer(lambda r, b: _strokes(session, r))),
        Route(f"{frame}/strokes", answer(lambda r, b: _append(session, r, b)), methods=["POST"]),
        Route(f"{frame}/propose", answer(lambda r, b: _propose(session, r, b)), methods=["POST"]),
    ]


def _frame(session: StudioSession, request: Request) -> Response:
    image = session.project.frames.read(read_frame_number(session, request))
    return send_frame(request, image)


def _regions(session: StudioSession, request: Request) -> Response:
    """Answer with the number of the region of each pixel, in the three channels of a PNG."""
    number = read_frame_number(session, request)
    count = read_query_number(request, "count", 1000, 1, _MAX_REGIONS)
    least = read_query_number(request, "least", LEAST_PX, 1, _MAX_LEAST_PX)
    method = request.query_params.get("method", METHODS[0])
    ids = session.regions(number, count, method, least).ids
    planes = np.stack([ids >> 16, ids >> 8, ids], axis=-1) & 255
    packed = encode_picture(planes.astype(np.uint8), ".png", [cv2.IMWRITE_PNG_COMPRESSION, 1])
    return Response(packed, media_type="image/png")


def _plate(session: StudioSession, request: Request) -> Response:
    """Answer with what differs from the plate of the frames around."""
    return send_frame(request, session.plate_residual(read_frame_number(session, request)))


def _labels(session: StudioSession, request: Request) -> Response:
    with session.lock:
        labels = session.project.labels[read_frame_number(session, request)]
        return Response(
            encode_labels(labels.labels),
            media_type="image/png",
            headers={"ETag": f'"{labels.revision}"'},
        )


def _strokes(session: StudioSession, request: Request) -> Response:
    with session.lock:
        labels = session.project.labels[read_frame_number(session, request)]
        return send_json(
            {
                "revision": labels.revision,
                "actions": labels.actions,
                "last_stroke": labels.history.last_stroke,
                "crc32": labels.checksum,
                "notice": labels.notice,
            }
        )


def _append(session: StudioSession, request: Request, body: Mapping[str, Any]) -> Response:
    revision, actions = body.get("revision"), body.get("actions")
    if type(revision) is not int or not isinstance(actions, list):
        raise ConfigError("strokes: need revision, a whole number, and actions, a list")
    with session.lock:
        labels = session.project.labels[read_frame_number(session, request)]
        labels.append(revision, actions)
        return send_json(
            {
                "revision": labels.revision,
                "crc32": labels.checksum,
                "labelled": session.project.labelled_frames(),
            }
        )


def _propose(session: StudioSession, request: Request, body: Mapping[str, Any]) -> Response:
    count = body.get("count", 1000)
    if type(count) is not int or not 1 <= count <= _MAX_REGIONS:
        raise ConfigError(f"count: must be a whole number from 1 to {_MAX_REGIONS}")
    least = body.get("least", LEAST_PX)
    if type(least) is not int or not 1 <= least <= _MAX_LEAST_PX:
        raise ConfigError(f"least: must be a whole number from 1 to {_MAX_LEAST_PX}")
    method = str(body.get("method", METHODS[0]))
    number = read_frame_number(session, request)
    with session.lock:
        found = session.propose(number, str(body.get("by")), count, method, least)
    return Response(encode_labels(found), media_type="image/png")
