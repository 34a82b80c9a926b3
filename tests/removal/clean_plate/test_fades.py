"""A fade takes the hole along: nothing of brighter frames glows in darker ones."""

from __future__ import annotations

import numpy as np
import pytest

from outtake.removal.clean_plate.remover import CleanPlate
from outtake.removal.clean_plate.ring_scores import score_reference
from tests.removal.clean_plate.clips import disc, images, psnr, remove, texture, view

WORLD = texture(3)
# How much of the picture is left: out and in again, with three frames of nothing.
LEFT = [1.0, 1.0, 0.9, 0.75, 0.6, 0.45, 0.3, 0.15, 0, 0, 0, 0.15, 0.3, 0.45, 0.6, 0.8, 1.0, 1.0]
NOTHING = [number for number, left in enumerate(LEFT) if not left]


def fade(picture: np.ndarray, left: float, to: int) -> np.ndarray:
    return np.rint(picture * left + to * (1 - left)).astype(np.uint8)


@pytest.mark.parametrize("to", [0, 255])
@pytest.mark.parametrize("moves", [True, False])
def test_frames_of_nothing_show_nothing_where_the_hole_is(to, moves):
    truths = [fade(view(WORLD, 30 + 2 * number), left, to) for number, left in enumerate(LEFT)]
    masks = [disc(40 + 4 * number if moves else 70) for number in range(len(LEFT))]
    for number in NOTHING:
        assert (truths[number] == to).all()
    filled = images(remove(CleanPlate(), truths, masks))
    for number in NOTHING:
        assert (filled[number] == to).all()
    dark = [number for number, left in enumerate(LEFT) if 0 < left < 0.5]
    shown = [[each[number] for number in dark] for each in (truths, filled, masks)]
    assert psnr(*shown) > (34 if moves else 29.5)


def score(frame: np.ndarray, reference: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Return gains, offsets and score of a reference for a ring of all pixels of a picture."""
    height, width = frame.shape[:2]
    rows, columns = np.indices((height - 8, width - 8)).reshape(2, -1) + 4
    points = np.stack([columns, rows], axis=1).astype(np.float32)
    colours = frame[rows, columns]
    errors = colours.mean(axis=1) - reference[rows, columns].mean(axis=1)
    gains, offsets = np.ones(3, np.float32), np.zeros((1, 3), np.float32)
    scores, trimmed = np.full((2, 1), np.inf, np.float32)
    score_reference(
        reference, np.array([0, len(points)]), points, colours, np.eye(3)[None],
        errors.astype(np.int16), np.ones(len(points), np.uint8), gains, offsets, scores, trimmed,
    )  # fmt: skip
    assert np.isfinite(trimmed[0]) == np.isfinite(scores[0])
    return gains, offsets[0], float(scores[0])


@pytest.mark.parametrize("faded", [[0.3, 0.3, 1], [0.6, 0.6, 1], [1, 1, 0.5]])
def test_a_colour_that_stays_has_not_faded(faded):
    bright = view(WORLD, 30)
    gains, _, error = score(np.rint(bright * np.array(faded)).astype(np.uint8), bright)
    stays = np.array(faded) == 1
    assert gains[stays] == pytest.approx(1, abs=0.02) and (gains[~stays] < 0.7).all()
    assert error < 3


@pytest.mark.parametrize("to", [0, 255])
@pytest.mark.parametrize("left", [0.15, 0.3, 0.6, 0.9])
def test_gains_follow_a_fade(to, left):
    bright = view(WORLD, 30)
    gains, offsets, error = score(fade(bright, left, to), bright)
    assert gains == pytest.approx([left] * 3, rel=0.06) and error < 1.5
    assert offsets == pytest.approx([to * (1 - left)] * 3, abs=2 + 12 * left)
    gains, _, error = score(bright, fade(bright, left, to))
    assert gains == pytest.approx([min(1 / left, np.exp(0.7))] * 3, rel=0.06) and np.isfinite(error)


@pytest.mark.parametrize("to", [0, 90, 255])
def test_a_frame_of_one_colour_has_no_reference_with_contrast(to):
    bright = view(WORLD, 30)
    gains, _, error = score(np.full_like(bright, to), bright)
    assert error == np.inf and (gains < 0.1).all()


def test_noise_and_shadows_are_no_fades():
    dice = np.random.default_rng(0)
    sky = np.clip(dice.normal(150, 4, (60, 80, 3)), 0, 255).astype(np.uint8)
    quiet = np.clip(dice.normal(140, 2, (60, 80, 3)), 0, 255).astype(np.uint8)
    gains, _, error = score(quiet, sky)
    assert (gains > 0.85).all() and np.isfinite(error)
    shaded = np.clip(dice.normal(110, 4, (60, 80, 3)), 0, 255).astype(np.uint8)
    gains, _, error = score(shaded, sky)
    assert (gains > 0.95).all() and np.isfinite(error)
