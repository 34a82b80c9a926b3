from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from outtake.core.frames import MaskedFrame
from outtake.core.types import TimedFrame
from outtake.removal.contact_sheet import ContactSheet
from tests.removal.frames import filled_frame


def preview(frames: int, rows: int, with_statistics: bool = True, size=(120, 200)) -> ContactSheet:
    made = ContactSheet(rows)
    for t in range(frames):
        frame, known = filled_frame(*size)
        level = np.full_like(frame.image, 5 * t % 256)
        before = MaskedFrame(TimedFrame(level, t, Fraction(1, 10)), known.origin > 0)
        made.add(before, TimedFrame(level, t, Fraction(1, 10)), known if with_statistics else None)
    return made


@pytest.mark.parametrize("frames", [1, 3, 5, 11, 40])
def test_a_preview_shows_evenly_spaced_frames(frames):
    sheet = preview(frames, rows=4, with_statistics=False).render(cell_width_px=100)
    # Three cells of 100 pixels, ten between them, and as many rows as there is to show.
    row_px = 60 + 10
    assert (sheet.shape[0] - 46 - 10 - 10) // row_px in (min(frames, 4), min(frames, 4) - 1)
    shown = {int(sheet[y, -25, 0]) for y in range(60, sheet.shape[0] - 25)} - {250}
    wanted = {5 * t for t in range(frames)}
    assert len(shown) >= min(frames, 4) and 0 in shown and shown <= wanted
    assert max(shown) >= 0.7 * max(wanted)


def test_a_preview_knows_where_a_fill_comes_from_if_the_remover_does():
    plain, known = (preview(3, 3, known_origin).render() for known_origin in (False, True))
    assert known.shape[1] == plain.shape[1] + 330


@pytest.mark.parametrize("size", [(120, 150), (270, 480)], ids=["narrow", "wider than a cell"])
def test_a_pair_of_pictures_shows_its_origin_on_the_right(size):
    frame, statistics = filled_frame(*size)
    height, width = size
    wide = np.full((height, 2 * width + 2, 3), 90, np.uint8)
    made = ContactSheet(1)
    made.add(
        MaskedFrame(frame, statistics.origin > 0), TimedFrame(wide, 0, frame.time_base), statistics
    )
    [(_, (*_, after, shown))] = made._kept
    assert shown.shape == after.shape
    coloured = np.ptp(shown.astype(int), axis=2) > 30
    columns = np.nonzero(coloured[:30])[1]  # above the key
    assert len(columns) and columns.min() > shown.shape[1] // 2


def test_a_preview_shows_through_what_is_transparent():
    frame, _ = filled_frame()
    hole = np.zeros((120, 200), bool)
    hole[30:90, 50:150] = True
    cut_out = np.dstack([frame.image, np.where(hole, 0, 255).astype(np.uint8)])
    made = ContactSheet(1)
    made.add(MaskedFrame(frame, hole), TimedFrame(cut_out, 0, frame.time_base))
    [(_, (_, _, after))] = made._kept
    assert set(np.unique(after[hole])) == {204, 255}, "the ground, and nothing of what was there"
    assert np.array_equal(after[~hole], frame.image[~hole])


def test_a_preview_keeps_little_of_a_long_clip():
    made = preview(200, rows=3)
    assert len(made._kept) <= 6 and all(p.shape[1] <= 320 for _, row in made._kept for p in row)


def test_a_preview_of_a_strip_is_not_high():
    made = preview(6, rows=6, size=(2000, 80))
    assert all(len(picture) <= 570 for _, row in made._kept for picture in row)
    assert made.render().shape[0] < 6 * 600
    [*_, (_, (*_, painted))] = made._kept
    assert painted[-100:].min() > 14, "no key is drawn over a strip"


@pytest.mark.parametrize("max_bytes", [300_000, 30_000])
def test_the_file_is_small(tmp_path, max_bytes):
    dice = np.random.default_rng(0)
    made = ContactSheet(6)
    for t in range(12):
        image = dice.integers(0, 255, (180, 320, 3), np.uint8)
        frame = TimedFrame(image, t, Fraction(1, 10))
        made.add(MaskedFrame(frame, np.zeros((180, 320), bool)), frame)
    path = made.save(tmp_path / "out.png", "clip.mp4", max_bytes)
    assert path.stat().st_size <= max_bytes
    with Image.open(path) as picture:
        assert picture.size[0] > 100
    assert [file.name for file in tmp_path.iterdir()] == ["out.png"]


def test_a_clip_without_a_frame_has_a_preview(tmp_path):
    assert ContactSheet().save(tmp_path / "out.png", "empty").is_file()
