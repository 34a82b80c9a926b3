"""What is drawn for intervals: whole recordings, or images where there are too few of these."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from rich.console import Console

from outtake.core.errors import ConfigError
from outtake.data.folds import FoldSource
from outtake.data.overfit import FirstSamples
from outtake.data.scenes import Scenes
from outtake.evaluation.bootstrap import Bootstrap
from outtake.evaluation.evaluator import Evaluator
from outtake.evaluation.metrics import score_counts, scores
from outtake.evaluation.sampling_units import choose_units, describe_draws, find_units
from outtake.evaluation.scores_table import print_scores
from outtake.evaluation.summary import detailed_scores, paired_difference

NAMES = ("a", "b")


def described(recordings: list[str | None], labelled: list[bool] | None = None) -> str:
    there = np.ones(len(recordings), bool) if labelled is None else np.array(labelled)
    return describe_draws(choose_units(recordings, there).describe(Bootstrap()))


def test_what_is_drawn_and_what_it_holds_for_is_said() -> None:
    assert described([None] * 7) == "95% intervals over 7 images"
    assert described(list("aabbccddee")) == "95% intervals over 5 recordings (10 images)"
    assert described([*"aabbccdd", None]) == "95% intervals over 5 recordings or images (9 images)"
    assert described(["a"] * 9) == (
        "95% intervals over 9 images, which hold for other images of the same recording only"
    )
    assert described(list("aabbccdd")).endswith("images of the same 4 recordings only")
    assert described([None]) == "no intervals: 1 image is too few to draw from, which takes 5"
    assert described([None] * 7, [True] * 6 + [False]).endswith(
        "6 images (1 without labels left out)"
    )
    assert described([None] * 7, [True] * 3 + [False] * 4).startswith("no intervals: 3 images are")


def test_frames_of_clips_are_drawn_by_the_clip() -> None:
    """The truth lies in the interval as often as it says, and seldom where frames are drawn."""
    rng, clips, frames = np.random.default_rng(0), 6, 10

    def shoot() -> np.ndarray:
        quality = np.clip(rng.beta(2, 2) + rng.normal(0, 0.02, (frames, 1)), 0.01, 0.99)
        found = 500 * np.repeat(quality, 2, 1)
        return np.stack([found, np.full_like(found, 500), np.full_like(found, 500)], 1)

    truth = score_counts(np.concatenate([shoot() for _ in range(2000)]).sum(0))["miou"]
    recordings = [str(clip) for clip in range(clips) for _ in range(frames)]
    every, boot = np.ones(len(recordings), bool), Bootstrap(400)
    hits = {"recording": 0, "image": 0}
    for _ in range(100):
        counts = np.concatenate([shoot() for _ in range(clips)])
        for names in (recordings, [None] * len(recordings)):
            units = choose_units(names, every)
            sums = units.sum_units(range(len(counts)), counts)
            draws = boot.resample_scores(sums, lambda each: score_counts(each)["miou"])
            low, high = boot.interval(draws, units.count)
            hits[units.unit] += bool(low <= truth <= high)
    assert hits["recording"] >= 90 and hits["image"] < 50, hits


def evaluated(images: int, seed: int, *, with_details: bool = True) -> Evaluator:
    """Return random predictions of images of which only the first holds class b."""
    found = Evaluator(2, 255, with_details=with_details)
    truth = torch.zeros(images, 8, 8, dtype=torch.long)
    truth[0, 4:] = 1
    logits = torch.randn(images, 2, 8, 8, generator=torch.manual_seed(seed))
    order = torch.arange(images).flip(0)  # as loaders order images by their size
    found.add(logits, truth, torch.zeros(images, 3, 8, 8, dtype=torch.uint8), order)
    return found


def test_all_intervals_are_of_the_sums_over_recordings() -> None:
    images, boot = 12, Bootstrap(200)
    first, second = (evaluated(images, seed) for seed in (0, 1))
    units = choose_units([str(index // 2) for index in range(images)], np.ones(images, bool))
    detail = detailed_scores(first, NAMES, [str(i) for i in range(images)], boot, units)
    places = [index // 2 for index in first.indices]

    def pooled(per_image: list) -> np.ndarray:
        stacked = np.stack(per_image).astype(float)
        return np.stack([stacked[np.array(places) == each].sum(0) for each in range(6)])

    counts = pooled(first.counts_per_image)
    draws = boot.resample_scores(counts, lambda sums: score_counts(sums)["miou"])
    assert detail["intervals"]["miou"] == boot.interval(draws, 6)
    assert np.isnan(detail["intervals"]["iou"]["b"]).all(), "one recording alone holds b"
    assert not np.isnan(detail["intervals"]["iou"]["a"]).any()
    regions = pooled(first.boundary_region_counts)
    draws = boot.resample_scores(
        regions,
        lambda sums: np.nanmean(sums[:, 0] / np.where(sums[:, 1] > 0, sums[:, 1], np.nan), 1),
    )
    assert detail["boundary"]["iou_interval"] == pytest.approx(boot.interval(draws, 6))
    paired = paired_difference(first, second, NAMES, boot, units)
    other = pooled(second.counts_per_image)
    both = np.stack([counts, other], 1)
    draws = boot.resample_scores(
        both,
        lambda sums: score_counts(sums[:, 0])["miou"] - score_counts(sums[:, 1])["miou"],
    )
    assert paired["interval"] == pytest.approx(boot.interval(draws, 6))
    assert np.isnan(paired["iou_interval"]["b"]).all()


def test_of_one_image_no_interval_is_printed() -> None:
    units, boot = choose_units([None], np.ones(1, bool)), Bootstrap(100)
    found, other = evaluated(1, 0), evaluated(1, 1)
    record = {
        "data": "d", "split": "val", "images": 1, "images_per_second": 1.0, "classes": NAMES,
        **scores(found.confusion, NAMES), "bootstrap": units.describe(boot),
        **detailed_scores(found, NAMES, ["x"], boot, units),
        "paired": {"baseline": "B", **paired_difference(found, other, NAMES, boot, units)},
    }  # fmt: skip
    printed = io.StringIO()
    print_scores(record, Console(file=printed, width=300))
    assert "no intervals: 1 image is too few to draw from, which takes 5; boundary IoU 0" in (
        printed.getvalue()
    )
    assert printed.getvalue().count("no intervals") == 1
    assert " to 0." not in printed.getvalue() and "nan" not in printed.getvalue()
    assert np.isnan(record["paired"]["share_of_draws_above_zero"])


def test_recordings_are_found_behind_folds_and_by_an_expression() -> None:
    source = Scenes(height=32, width=32, clips={"train": 8, "val": 2}, frames_per_clip=3)
    for view in (source, FirstSamples(source, 15), FoldSource(source, 2, 0)):
        samples = view.samples("train")
        clips = {each.image.rpartition("/")[0] for each in samples}
        units = find_units(view, samples, np.ones(len(samples), bool))
        assert (units.unit, units.count) == ("recording", len(clips)), view
    every = np.ones(len(samples), bool)
    assert find_units(view, samples, every, "name").unit == "image"
    assert find_units(view, samples, every, "auto", "name").unit == "recording"
    by_frame = find_units(view, samples, every, r".*/(\d+)")
    assert (by_frame.unit, by_frame.within, by_frame.kind) == ("image", 3, "group")
    assert find_units(view, samples, every, "auto", r"/\d+/(\d+)").within == 3, "as its folds"
    assert find_units(source, source.samples("train"), np.ones(24, bool), "auto", "(x)").count == 8
    with pytest.raises(ConfigError, match=r"bootstrap\.group_by=\(x\): finds nothing in"):
        find_units(source, source.samples("train"), np.ones(24, bool), "(x)")
