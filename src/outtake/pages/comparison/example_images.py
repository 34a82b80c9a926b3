"""The same validation images of all runs, cut out of the pictures that training writes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from outtake.core.types import Frame
from outtake.drawing.fit_picture import fit_picture
from outtake.pages.comparison.run_record import RunRecord
from outtake.pages.encode_pictures import encode_data_uri, read_picture

WIDTH_PX = 400
MIN_WIDTH_PX = 96
# Of all pictures of a page, as they stand in it.
MAX_BYTES = 2_600_000
COLUMNS = 3  # image, truth, prediction


@dataclass(frozen=True)
class ExampleSheet:
    """A run's picture, cut into its columns.

    Attributes:
        scene: The digest of what all runs on the same data have in common.
        columns: The image, the truth and the prediction, each uint8 (H, W, 3).
    """

    scene: str
    columns: tuple[Frame, Frame, Frame]


def example_images(runs: Sequence[RunRecord]) -> tuple[list[Any], list[Any]]:
    """Return what to show of each run, and what runs share.

    Image and truth are kept once for all runs that were validated on the same images. Pictures
    get smaller when there are many, so that the page does not grow with them.

    Returns:
        For each run ``{"scene": position, "prediction": data URI}`` or None; and the scenes, each
        ``{"image": data URI, "truth": data URI}``.
    """
    width_px = WIDTH_PX
    # Guessed, so that in most cases nothing is encoded twice: 40 kB for a sheet of 400 pixels.
    count = max(sum(run.picture is not None for run in runs), 1)
    width_px = max(MIN_WIDTH_PX, min(WIDTH_PX, round(400 * (MAX_BYTES / count / 40e3) ** 0.5)))
    with ThreadPoolExecutor(2) as pool:
        sheets = list(pool.map(lambda run: _read_sheet(run, width_px), runs))
        while True:
            shown, scenes = _encode_sheets(sheets, width_px, pool)
            size = sum(len(each["prediction"]) for each in shown if each)
            size += sum(len(uri) for scene in scenes for uri in scene.values())
            if size <= MAX_BYTES or width_px <= MIN_WIDTH_PX:
                return shown, scenes
            shrink = (MAX_BYTES / size) ** 0.5 * 0.95
            width_px = max(MIN_WIDTH_PX, int(width_px * shrink))


def _read_sheet(run: RunRecord, width_px: int) -> ExampleSheet | None:
    picture = None if run.picture is None else read_picture(run.picture)
    if picture is None or picture.shape[1] < COLUMNS:
        return None
    width = picture.shape[1] // COLUMNS
    image, truth, prediction = (picture[:, i * width : (i + 1) * width] for i in range(COLUMNS))
    # Of a coarse copy of the image alone: it is the same file in every run of the same data.
    coarse = cv2.resize(np.ascontiguousarray(image), (64, 64), interpolation=cv2.INTER_AREA)
    scene = hashlib.sha256(coarse.tobytes() + str(image.shape).encode()).hexdigest()
    return ExampleSheet(
        scene,
        (
            fit_picture(image, width_px),
            fit_picture(truth, width_px),
            fit_picture(prediction, width_px),
        ),
    )


def _encode_sheets(
    sheets: Sequence[ExampleSheet | None], width_px: int, pool: ThreadPoolExecutor
) -> tuple[list[Any], list[Any]]:
    places: dict[str, int] = {}
    scenes: list[Any] = []
    for sheet in sheets:
        if sheet is not None and sheet.scene not in places:
            places[sheet.scene] = len(scenes)
            image, truth = (
                encode_data_uri(fit_picture(part, width_px)) for part in sheet.columns[:2]
            )
            scenes.append({"image": image, "truth": truth})
    uris = pool.map(
        lambda sheet: (
            None if sheet is None else encode_data_uri(fit_picture(sheet.columns[2], width_px))
        ),
        sheets,
    )
    shown = [
        None if sheet is None else {"scene": places[sheet.scene], "prediction": uri}
        for sheet, uri in zip(sheets, uris, strict=True)
    ]
    return shown, scenes
