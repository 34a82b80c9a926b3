"""The scores of the removal benchmark, against formulas written out and an independent library."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from torchmetrics.functional.image import structural_similarity_index_measure

from outtake.core.errors import DataRootError


@pytest.fixture(scope="module")
def bench() -> SimpleNamespace:
    from benchmarks.removal import __main__ as removal
    from benchmarks.removal import clips, davis, rendered, scores

    return SimpleNamespace(
        main=removal.main,
        main_module=removal,
        clips=clips,
        davis=davis,
        rendered=rendered,
        scores=scores,
    )


def pair(height: int = 40, width: int = 52, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    dice = np.random.default_rng(seed)
    small = dice.integers(0, 255, (8, 8, 3), np.uint8)
    truth = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    result = np.clip(truth + dice.normal(0, 12, truth.shape), 0, 255).astype(np.uint8)
    return truth, result


def windows(image: np.ndarray, size: int) -> np.ndarray:
    view = np.lib.stride_tricks.sliding_window_view(image.astype(float), (size, size))
    return view.reshape(*view.shape[:2], -1)


def written_out(
    a: np.ndarray, b: np.ndarray, size: int, weights: np.ndarray, unbiased: float
) -> np.ndarray:
    """SSIM of Wang et al. (2004), equation 13, at each position where the window lies inside."""
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    x, y = windows(a, size), windows(b, size)
    mx, my = x @ weights, y @ weights
    dx, dy = x - mx[..., None], y - my[..., None]
    vx, vy, vxy = (unbiased * (p @ weights) for p in (dx * dx, dy * dy, dx * dy))
    return (2 * mx * my + c1) * (2 * vxy + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))


def test_ssim_in_the_hole_is_that_of_the_paper(bench):
    truth, result = pair()
    scored = np.zeros(truth.shape[:2], bool)
    scored[8:30, 9:40] = True
    bell = np.exp(-((np.arange(11) - 5.0) ** 2) / (2 * 1.5**2))
    weights = np.outer(bell, bell).ravel() / np.outer(bell, bell).sum()
    grey = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in (truth, result)]
    wanted = written_out(*grey, 11, weights, 1.0)[scored[5:-5, 5:-5]].mean()
    assert bench.scores.ssim(truth, result, scored) == pytest.approx(wanted, abs=1e-6)
    assert bench.scores.ssim(truth, truth, scored) == pytest.approx(1)


@pytest.mark.parametrize("size", [7, 11])
def test_ssim_with_a_uniform_window_is_the_published_one(bench, size):
    truth, result = pair()
    weights = np.full(size**2, 1 / size**2)
    channels = [
        written_out(truth[..., c], result[..., c], size, weights, size**2 / (size**2 - 1)).mean()
        for c in range(3)
    ]
    assert bench.scores.ssim_window(truth, result, size) == pytest.approx(np.mean(channels))


def test_ssim_with_a_uniform_window_is_near_what_a_library_finds(bench):
    truth, result = pair(60, 80)
    tensors = [
        torch.from_numpy(image.transpose(2, 0, 1)[None].astype(np.float64))
        for image in (result, truth)
    ]
    _, library = structural_similarity_index_measure(
        *tensors, gaussian_kernel=False, kernel_size=11, data_range=255.0, return_full_image=True
    )
    # That one divides by the number of pixels and not by one less.
    wanted = float(library[..., 5:-5, 5:-5].mean())
    assert bench.scores.ssim_window(truth, result, 11) == pytest.approx(wanted, abs=2e-3)


def test_psnr_is_of_the_mean_error(bench):
    truth = np.full((10, 10, 3), 100, np.uint8)
    off = truth + np.uint8(10)
    everything = np.ones((10, 10), bool)
    error = bench.scores.squared_error(truth, off, everything)
    assert error == 100
    assert bench.scores.psnr([error]) == pytest.approx(20 * np.log10(255 / 10))
    assert bench.scores.psnr([0, 200]) == pytest.approx(bench.scores.psnr([100]))


def test_flicker_is_told_from_motion(bench):
    dice = np.random.default_rng(1)
    world = cv2.resize(dice.integers(0, 255, (20, 60, 3), np.uint8), (360, 120))
    truths = [np.ascontiguousarray(world[:, 3 * t : 3 * t + 160]) for t in range(6)]
    scored = [np.ones((120, 160), bool)] * 6
    moved = bench.scores.estimate_motion(truths)
    assert np.median(moved[2].origin[20:-20, 20:-20, 0] - np.arange(20, 140)) == pytest.approx(
        3, abs=0.2
    )
    still = bench.scores.warp_error(truths, scored, moved)
    jumping = [
        np.clip(f.astype(int) + 10 * (-1) ** t, 0, 255).astype(np.uint8)
        for t, f in enumerate(truths)
    ]
    assert still < 2
    assert bench.scores.warp_error(jumping, scored, moved) == pytest.approx(20, abs=2)


RENDERED = [
    "tripod", "pan/fast", "handheld", "exposure", "zoom", "pause", "cut", "dissolve", "fade",
    "fade/pan", "fade/white", "parallax", "dolly/object", "dolly/box", "flight",
    "behind/person_tripod",
]  # fmt: skip


@pytest.mark.parametrize("name", RENDERED)
def test_a_rendered_clip_hides_what_it_knows(bench, name):
    first, second = (list(bench.clips.CLIPS[name].shots(2)) for _ in range(2))
    assert len(first) == 2
    for shot, again in zip(first, second, strict=True):
        assert shot.truth.shape == (240, 432, 3) and shot.truth.dtype == np.uint8
        assert np.array_equal(shot.truth, again.truth) and np.array_equal(shot.hole, again.hole)
        item = shot.masked(0)
        assert np.array_equal(item.frame.image[~shot.hole], shot.shown[~shot.hole])
        if shot.hole.any():
            assert (item.frame.image[shot.hole] == (255, 0, 255)).all()
        assert shot.hole.mean() < 0.35


def test_the_pause_is_longer_than_a_remover_looks(bench):
    frames = bench.clips.CLIPS["pause"].frames
    holes = [bench.rendered.pausing_walker(t) for t in range(frames)]
    still = [np.array_equal(hole, holes[90]) for hole in holes]
    assert holes[90].sum() > 1000 and sum(still) > 128
    assert still.index(True) > 10 and not any(still[-10:])


def test_what_moves_behind_the_hole_is_scored_apart_from_what_stands_still(bench):
    shots = list(bench.clips.CLIPS["behind/cars_2"].shots(1))
    for shot in shots:
        moving, still = shot.moving_hidden(), shot.scored()
        assert moving.sum() > 100 and still.sum() > 200
        assert not (moving & still).any() and not ((moving | still) & ~shot.hole).any()
        # The truth shows somebody there who is not the background, and what is shown is not he.
        assert np.abs(shot.truth[moving].astype(int) - shot.shown[moving]).mean() > 20
    off = [shot.truth ^ shot.moving_hidden()[..., None].view(np.uint8) for shot in shots]
    score = bench.main_module.score_pixels
    moving = [shot.moving_hidden() for shot in shots]
    assert score(shots, off, moving)[0] == pytest.approx(20 * np.log10(255), abs=0.01)
    assert np.isnan(score(shots, off, [np.zeros_like(one) for one in moving])[0])


@pytest.fixture
def davis_folder(tmp_path) -> Path:
    for index, name in enumerate(("bear", "camel")):
        for part in (f"JPEGImages/480p/{name}", f"Annotations/480p/{name}"):
            (tmp_path / part).mkdir(parents=True)
        for t in range(3):
            truth, _ = pair(96, 170, seed=index)
            mask = np.zeros((96, 170), np.uint8)
            mask[30:50, 40 + 10 * t : 70 + 10 * t] = 128
            cv2.imwrite(str(tmp_path / f"JPEGImages/480p/{name}/{t:05d}.jpg"), truth)
            if index == 0 or t < 2:
                cv2.imwrite(str(tmp_path / f"Annotations/480p/{name}/{t:05d}.png"), mask)
    return tmp_path


def run(bench: SimpleNamespace, monkeypatch, capsys, *words: str) -> list[list[str]]:
    threads = cv2.getNumThreads()
    monkeypatch.setattr(sys, "argv", ["removal.py", *words])
    try:
        bench.main()
    finally:
        cv2.setNumThreads(threads)
    return [line.split() for line in capsys.readouterr().out.splitlines()]


def test_the_davis_protocol_runs_on_a_folder(bench, davis_folder, monkeypatch, capsys):
    words = ("--davis", str(davis_folder), "--removers", "telea", "clean_plate")
    lines = run(bench, monkeypatch, capsys, *words)
    rows = {(line[0], line[1]): [float(v) for v in line[2:4]] for line in lines[2:]}
    assert set(rows) == {(c, r) for c in ("bear", "camel", "all") for r in ("telea", "clean_plate")}
    # Nothing moves but the hole, so other frames show all of it.
    assert rows["all", "clean_plate"][0] > rows["all", "telea"][0] + 5
    assert rows["all", "telea"][0] == pytest.approx(
        (rows["bear", "telea"][0] + rows["camel", "telea"][0]) / 2, abs=0.01
    )
    assert all(0.5 < similarity <= 1 for _, similarity in rows.values())


def test_davis_masks_are_taken_from_the_next_clip_and_grow(bench, davis_folder):
    clips = bench.davis.find_clips(davis_folder)
    assert [path.parent.name for path in clips["bear"][1]] == ["camel"] * 3
    assert [path.name for path in clips["bear"][1]] == ["00000.png", "00001.png", "00000.png"]
    one = np.zeros((240, 432), bool)
    one[100, 100] = True
    grown = bench.davis.dilate_mask(one)
    assert grown.sum() == 41 and grown[96, 100] and not grown[97, 102]
    (davis_folder / "test_masks" / "bear").mkdir(parents=True)
    with pytest.raises(DataRootError, match="no masks for the clip bear"):
        bench.davis.find_clips(davis_folder)


def test_a_folder_without_clips_is_named(bench, tmp_path):
    with pytest.raises(DataRootError, match="JPEGImages"):
        bench.davis.find_clips(tmp_path)


def test_the_table_has_a_row_for_each_clip_and_remover(bench, monkeypatch, capsys):
    words = ("--clips", "cut", "--frames", "6", "--removers", "telea", "homography", "clean_plate")
    lines = run(bench, monkeypatch, capsys, *words)
    assert [line[:2] for line in lines[1:]] == [
        ["cut", name] for name in ("(truth)", "telea", "homography", "clean_plate")
    ]
    values = {line[1]: line[2:] for line in lines[2:]}
    assert float(values["clean_plate"][0]) > float(values["telea"][0]) + 5
    assert values["clean_plate"][3].endswith("%") and values["telea"][3] == "100.0%"
    assert values["homography"][3] == "-"
