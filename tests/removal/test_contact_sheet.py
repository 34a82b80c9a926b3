from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from outtake.core.frames import OBSERVED, PROPAGATED, SYNTHESISED, FillStatistics, MaskedFrame
from outtake.core.types import TimedFrame
from outtake.removal.contact_sheet import ContactSheet
from outtake.removal.provenance import ORIGIN_COLOURS, provenance_frame


def filled(height: int = 120, width: int = 200) -> tuple[TimedFrame, FillStatistics]:
    origin = np.zeros((height, width), np.uint8)
    for row, where in enumerate((OBSERVED, PROPAGATED, SYNTHESISED)):
        origin[10 + 20 * row : 30 + 20 * row, 50:150] = where
    image = np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8)
    deep = image.astype(np.uint16) * 257
    frame = TimedFrame(image, 9, Fraction(1, 30), deep)
    return frame, FillStatistics(0.5, 0.3, 0.2, origin=origin)


def nearest(colours: np.ndarray) -> int:
    """The origin whose colour is most like the mean hue of some pixels."""
    tint = colours.reshape(-1, 3).mean(axis=0)
    tint = tint - tint.mean()
    likeness = {w: np.dot(tint, np.array(c) - np.mean(c)) for w, c in ORIGIN_COLOURS.items()}
    return max(likeness, key=likeness.__getitem__)


def test_each_origin_has_its_colour_and_the_rest_none():
    frame, facts = filled()
    shown = provenance_frame(frame, facts)
    assert (shown.pts, shown.time_base, shown.image16) == (9, Fraction(1, 30), None)
    for where in (OBSERVED, PROPAGATED, SYNTHESISED):
        assert nearest(shown.image[facts.origin == where]) == where
    outside = shown.image[:60][facts.origin[:60] == 0].astype(int)
    assert (outside.max(axis=1) == outside.min(axis=1)).all()
    assert (frame.image == filled()[0].image).all()


@pytest.mark.parametrize("size", [(240, 432), (1080, 1920), (90, 60), (8, 8)])
def test_the_key_names_shares_at_any_size(size):
    frame = TimedFrame(np.full((*size, 3), 120, np.uint8), 0, Fraction(1, 25))
    some, other = (provenance_frame(frame, FillStatistics(a, 0, 1 - a)).image for a in (0.2, 0.8))
    assert some.shape == (*size, 3)
    if min(size) > 50:
        assert not np.array_equal(some, other), "the shares are written into the picture"
        assert some.max() == 255
    if min(size) > 200:
        assert (some[: size[0] // 3] == some[0, 0]).all(), "the key stays in its corner"


def test_before_and_after_side_by_side_is_painted_on_its_right():
    frame, facts = filled()
    wide = TimedFrame(np.concatenate([frame.image, frame.image], axis=1), 0, frame.time_base)
    shown = provenance_frame(wide, facts).image
    left, right = shown[:60, :200].astype(int), shown[:60, 200:]
    assert (left.max(axis=2) == left.min(axis=2)).all()
    assert nearest(right[facts.origin[:60] == SYNTHESISED]) == SYNTHESISED


def test_transparent_frames_can_be_shown():
    frame, facts = filled()
    four = TimedFrame(np.dstack([frame.image, frame.image[..., :1]]), 0, frame.time_base)
    assert np.array_equal(provenance_frame(four, facts).image, provenance_frame(frame, facts).image)


def preview(frames: int, rows: int, facts: bool = True, size=(120, 200)) -> ContactSheet:
    made = ContactSheet(rows)
    for t in range(frames):
        frame, told = filled(*size)
        level = np.full_like(frame.image, 5 * t % 256)
        before = MaskedFrame(TimedFrame(level, t, Fraction(1, 10)), told.origin > 0)
        made.add(before, TimedFrame(level, t, Fraction(1, 10)), told if facts else None)
    return made


@pytest.mark.parametrize("frames", [1, 3, 5, 11, 40])
def test_a_preview_shows_evenly_spaced_frames(frames):
    sheet = preview(frames, rows=4, facts=False).render(cell_width_px=100)
    # Three cells of 100 pixels, ten between them, and as many rows as there is to show.
    row_px = 60 + 10
    assert (sheet.shape[0] - 46 - 10 - 10) // row_px in (min(frames, 4), min(frames, 4) - 1)
    shown = {int(sheet[y, -25, 0]) for y in range(60, sheet.shape[0] - 25)} - {250}
    wanted = {5 * t for t in range(frames)}
    assert len(shown) >= min(frames, 4) and 0 in shown and shown <= wanted
    assert max(shown) >= 0.7 * max(wanted)


def test_a_preview_knows_where_a_fill_comes_from_if_the_remover_does():
    plain, known = (preview(3, 3, facts).render() for facts in (False, True))
    assert known.shape[1] == plain.shape[1] + 330


@pytest.mark.parametrize("size", [(120, 150), (270, 480)], ids=["narrow", "wider than a cell"])
def test_a_pair_of_pictures_shows_its_origin_on_the_right(size):
    frame, facts = filled(*size)
    height, width = size
    wide = np.full((height, 2 * width + 2, 3), 90, np.uint8)
    made = ContactSheet(1)
    made.add(MaskedFrame(frame, facts.origin > 0), TimedFrame(wide, 0, frame.time_base), facts)
    [(_, (*_, after, shown))] = made._kept
    assert shown.shape == after.shape
    coloured = np.ptp(shown.astype(int), axis=2) > 30
    columns = np.nonzero(coloured[:30])[1]  # above the key
    assert len(columns) and columns.min() > shown.shape[1] // 2


def test_a_preview_shows_through_what_is_transparent():
    frame, _ = filled()
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
