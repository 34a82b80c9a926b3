"""What actions do to pixels: by exact integers, in the order in which they count."""

import json

import numpy as np
import pytest

from outtake.core.errors import ConfigError
from outtake.studio.strokes import History, apply_action, check_action, find_runs

SIZE = (40, 60)


def drawn(*actions, size=SIZE):
    history = History()
    for action in actions:
        action = check_action(action, size, 3)
        history.check_next(action)
        history.add(action)
    return history.draw(size)


def brush(stroke, *points, value=1, size=7):
    return {"stroke": stroke, "tool": "brush", "class": value, "size": size,
            "points": [list(point) for point in points]}  # fmt: skip


def test_a_brush_draws_what_lies_within_half_its_size_of_the_line():
    found = drawn(brush(0, (10, 12), (41, 30), (50, 5), size=9))
    y, x = np.mgrid[: SIZE[0], : SIZE[1]].astype(np.float64)
    wanted = np.zeros(SIZE, bool)
    for (x0, y0), (x1, y1) in (((10, 12), (41, 30)), ((41, 30), (50, 5))):
        dx, dy = x1 - x0, y1 - y0
        share = np.clip(((x - x0) * dx + (y - y0) * dy) / (dx * dx + dy * dy), 0, 1)
        wanted |= np.hypot(x - x0 - share * dx, y - y0 - share * dy) <= 4.5 + 1e-9
    assert np.array_equal(found == 1, wanted)
    assert (found[~wanted] == 255).all()


@pytest.mark.parametrize("size", [1, 2, 3, 8])
def test_a_dab_is_a_disc_and_may_hang_over_the_rim(size):
    found = drawn(brush(0, (0, 39), size=size)) == 1
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    assert np.array_equal(found, 4 * (x**2 + (y - 39) ** 2) <= size**2)


def test_a_lasso_fills_what_it_encloses_an_odd_number_of_times():
    square = [[10, 5], [30, 5], [30, 25], [10, 25]]
    found = drawn({"stroke": 0, "tool": "lasso", "class": 2, "points": square}) == 2
    assert found[5:25, 10:30].all() and found.sum() == 400
    twice = {"stroke": 0, "tool": "lasso", "class": 2, "points": square + square}
    assert not (drawn(twice) == 2).any()
    outside = [[-50, -50], [200, -50], [200, 90], [-50, 90]]
    assert (drawn({"stroke": 0, "tool": "lasso", "class": 0, "points": outside}) == 0).all()


def test_a_fill_stops_at_what_is_drawn_and_at_corners():
    ring = [[10, 10], [20, 10], [20, 20], [10, 20], [10, 10]]
    found = drawn(
        brush(0, *ring, size=1), {"stroke": 1, "tool": "fill", "class": 2, "points": [[15, 15]]}
    )
    assert (found[11:20, 11:20] == 2).all() and (found == 2).sum() == 81
    diagonal = np.full((4, 4), 255, np.uint8)
    diagonal[[0, 1], [1, 0]] = 0
    apply_action(diagonal, {"tool": "fill", "class": 1, "points": [[0, 0]]})
    assert (diagonal == 1).sum() == 1


def test_what_keeps_labels_draws_on_bare_pixels_alone():
    first = brush(0, (10, 10), (30, 10), size=9)
    square = [[5, 5], [40, 5], [40, 30], [5, 30]]
    for second in (
        brush(1, (10, 12), (35, 14), (10, 16), value=0, size=11),
        {"stroke": 1, "tool": "lasso", "class": 0, "points": square},
        {"stroke": 1, "tool": "fill", "class": 0, "points": [[0, 0]]},
    ):
        before, over = drawn(first), drawn(first, second)
        found = drawn(first, {**second, "keep": True})
        assert np.array_equal(found, np.where(before == 255, over, before))
        assert (found == 0).any() and (found == 1).sum() == (before == 1).sum()
        for wrong in (False, 1, "yes", None):
            with pytest.raises(ConfigError, match="keep: must be true"):
                check_action({**second, "keep": wrong}, SIZE, 3)
    with pytest.raises(ConfigError, match="pixels: needs exactly"):
        check_action({"stroke": 0, "tool": "pixels", "by": "file", "keep": True,
                      "parts": [{"class": 1, "runs": [0, 1]}]}, SIZE, 3)  # fmt: skip


def test_undo_and_redo_take_whole_strokes():
    first, second = brush(0, (5, 5)), brush(1, (20, 20), value=2)
    more = brush(1, (20, 20), (30, 20), value=2)
    undo, redo = {"tool": "undo"}, {"tool": "redo"}
    both = drawn(first, second, more)
    assert np.array_equal(drawn(first, second, more, undo), drawn(first))
    assert np.array_equal(drawn(first, second, more, undo, undo, redo, redo), both)
    assert np.array_equal(
        drawn(first, second, undo, brush(2, (9, 9))), drawn(first, brush(2, (9, 9)))
    )
    with pytest.raises(ConfigError, match="nothing to redo"):
        drawn(first, second, undo, brush(2, (9, 9)), redo)


def test_the_pixels_between_two_maps_are_runs_that_give_one_from_the_other():
    rng = np.random.default_rng(0)
    before, after = (rng.choice([0, 1, 2, 255], SIZE).astype(np.uint8) for _ in range(2))
    action = {"stroke": 0, "tool": "pixels", "by": "file", "parts": find_runs(after, before)}
    apply_action(before, check_action(json.loads(json.dumps(action)), SIZE, 3))
    assert np.array_equal(before, after)
    assert find_runs(after, after) == []


@pytest.mark.parametrize(
    "action",
    [
        None, [], {}, {"tool": "rm"}, {"tool": "undo", "more": 1}, {"tool": ["undo"]},
        brush(0, (1, 1), value=3), brush(0, (1, 1), value=True), brush(0, (1, 1), size=0),
        brush(0, (1, 1), size=1e9), brush(-1, (1, 1)), brush(0), brush(0, (1.5, 1)),
        brush(0, (1, 1, 1)), brush(0, (1, 10**9)), brush(0, (0, 0), (4097, 0)),
        {"stroke": 0, "tool": "fill", "class": 1, "points": [[60, 0]]},
        {"stroke": 0, "tool": "pixels", "by": "me", "parts": [{"class": 1, "runs": [0, 1]}]},
        {"stroke": 0, "tool": "pixels", "by": "file", "parts": [{"class": 1, "runs": [0]}]},
        {"stroke": 0, "tool": "pixels", "by": "file", "parts": [{"class": 1, "runs": [2399, 2]}]},
        {"stroke": 0, "tool": "pixels", "by": "file",
         "parts": [{"class": 1, "runs": [5, 4, 6, 1]}]},
    ],
)  # fmt: skip
def test_what_is_no_action_is_refused_in_one_line(action):
    with pytest.raises(ConfigError) as refused:
        check_action(action, SIZE, 3)
    assert "\n" not in str(refused.value)
