from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from outtake.config.compose import CONF_DIR, compose
from outtake.config.instantiate import instantiate, resolve_config
from outtake.core.errors import ConfigError
from outtake.core.frames import MaskedFrame
from outtake.drawing.label_pictures import save_png
from outtake.removal.alpha import Alpha
from outtake.removal.effects import Blur, Pixelate, Solid
from outtake.removal.inpaint import Inpaint
from outtake.removal.protocol import Context, Remover
from outtake.removal.side_by_side import SideBySide
from outtake.removal.views import Overlay
from tests.removal import networks
from tests.removal.frames import TIME_BASE, masked, masks, picture

REMOVERS = sorted(file.stem for file in (CONF_DIR / "remover").glob("*.yaml"))


@pytest.fixture(scope="session")
def build(tmp_path_factory) -> Callable[[str], Remover]:
    """Makes a remover as its option says, with the file that it may need."""
    folder = tmp_path_factory.mktemp("files")

    @functools.cache
    def described(name: str) -> Any:
        needs = {
            "replace": lambda: save_png(folder / "behind.png", picture(30, 40)),
            "torchscript": lambda: networks.torchscript_file(folder / "net.pt"),
            "onnx": lambda: networks.onnx_file(folder / "net.onnx"),
        }
        given = [f"remover.path={needs[name]()}"] if name in needs else []
        places = ["checkpoint=x", "input=x", "output=x"]
        return resolve_config(compose("infer_video", [f"remover={name}", *given, *places]).remover)

    return lambda name: instantiate(described(name))


def shape(remover: Remover, name: str, height: int, width: int) -> tuple[int, int, int]:
    return (height, 2 * width + 2 if name == "side_by_side" else width, remover.channels)


@pytest.mark.parametrize(
    ("size", "high_bit_depth"),
    [((48, 64), False), ((47, 61), False), ((5, 3), False), ((47, 61), True)],
    ids=["even", "odd", "tiny", "16 bits"],
)
@pytest.mark.parametrize("kind", masks(8, 8))
@pytest.mark.parametrize("name", REMOVERS)
def test_a_remover_keeps_the_contract(name, kind, size, high_bit_depth, build):
    remover = build(name)
    mask = masks(*size)[kind]
    inputs = [
        masked(picture(*size), mask, pts, high_bit_depth=high_bit_depth) for pts in (0, 100, 333)
    ]
    before = [(item.frame.image.copy(), item.mask.copy()) for item in inputs]
    results = list(remover(iter(inputs)))
    frames = [filled.frame for filled in results]
    for filled, item in zip(results, inputs, strict=True):
        assert filled.source.frame is item.frame and filled.source.mask is item.mask
    assert [(frame.pts, frame.time_base) for frame in frames] == [
        (pts, TIME_BASE) for pts in (0, 100, 333)
    ]
    for frame, item, (given, hole) in zip(frames, inputs, before, strict=True):
        assert frame.image.shape == shape(remover, name, *size)
        assert frame.image.dtype == np.uint8
        assert np.array_equal(item.frame.image, given) and np.array_equal(item.mask, hole)
        assert not np.shares_memory(frame.image, item.frame.image)
        if frame.image16 is not None:
            assert frame.image16.shape == frame.image.shape and frame.image16.dtype == np.uint16
            assert not np.shares_memory(frame.image16, item.frame.image16)
        if remover.keeps_outside:
            assert np.array_equal(frame.image[~hole][:, :3], given[~hole])
            assert (frame.image[~hole][:, 3:] == 255).all()
            if high_bit_depth and remover.channels == 3:
                assert np.array_equal(frame.image16[~hole], item.frame.image16[~hole])
                assert np.array_equal(frame.image16[hole], frame.image[hole] * np.uint16(257))
        if name in ("mask", "overlay") and high_bit_depth:
            assert np.array_equal(frame.image16, frame.image * np.uint16(257))


@pytest.mark.parametrize("name", REMOVERS)
def test_context_frames_come_out_in_their_place(name, build):
    remover = build(name)
    numbers = [0, 16, 29, 30, 31, 32, 33]
    clip = [
        masked(picture(24, 32), masks(24, 32)["region"], 512 * n, number=n, is_output=30 <= n < 32)
        for n in numbers
    ]
    results = list(remover(iter(clip)))
    assert [filled.frame.pts for filled in results] == [512 * n for n in numbers]
    assert [filled.source.is_output for filled in results] == [30 <= n < 32 for n in numbers]
    assert {filled.frame.image.shape for filled in results} == {shape(remover, name, 24, 32)}


@pytest.mark.parametrize("name", REMOVERS)
def test_statistics_describe_the_whole_hole_or_are_missing(name, build):
    hole = masks(24, 32)["region"]
    clip = [masked(picture(24, 32), hole, t, number=t) for t in range(3)]
    clip.append(masked(picture(24, 32), np.zeros_like(hole), 3, number=3))
    remover = build(name)
    for filled in remover(iter(clip)):
        statistics = filled.statistics
        assert (statistics is not None) == remover.knows_origins
        if statistics is not None and filled.source.mask.any():
            shares = statistics.observed + statistics.propagated + statistics.synthesised
            assert shares == pytest.approx(1)
            assert np.array_equal(statistics.origin > 0, hole)


@pytest.mark.parametrize("name", REMOVERS)
def test_a_remover_states_what_it_depends_on(name, build):
    remover = build(name)
    reads_a_file = name in ("replace", "torchscript", "onnx")
    assert [path.is_file() for path in remover.files()] == [True] * reads_a_file
    has_network = name in ("torchscript", "onnx")
    assert remover.device == ("cpu" if has_network else None)
    assert bool(remover.notes) == has_network


@pytest.mark.parametrize("name", REMOVERS)
def test_a_remover_remembers_nothing_of_an_earlier_clip(name, build):
    def clip(seed: int) -> list[MaskedFrame]:
        view = picture(40, 90 + seed)
        holes = masks(40, 60)["region"]
        return [masked(view[:, 2 * t : 2 * t + 60], holes, 40 * t, number=t) for t in range(6)]

    remover = build(name)
    first, *_ = [list(remover(iter(clip(seed)))) for seed in (0, 1)]
    again = remover(iter(clip(0)))
    for filled, wanted in zip(again, first, strict=True):
        assert np.array_equal(filled.frame.image, wanted.frame.image)


@pytest.mark.parametrize("name", REMOVERS)
def test_a_segment_with_its_context_is_like_the_whole_clip(name, build):
    remover = build(name)
    context = remover.context(40, 60)
    assert isinstance(context, Context) and min(context.before, context.after) >= 0
    view, holes = picture(40, 90), masks(40, 60)["region"]
    clip = [masked(view[:, 2 * t : 2 * t + 60], holes, 40 * t, number=t) for t in range(9)]
    first, last = 3, 6
    segment = [
        replace(item, is_output=first <= item.number < last)
        for item in clip
        if first - context.before <= item.number < last + context.after
    ]
    whole = {filled.frame.pts: filled.frame.image for filled in remover(iter(clip))}
    made = {filled.frame.pts: filled.frame.image for filled in remover(iter(segment))}
    for t in range(first, last):
        if context == Context():
            assert np.array_equal(made[40 * t], whole[40 * t])
        else:
            # One that looks around may blend in the frame before it that it was asked for.
            difference = np.abs(made[40 * t].astype(int) - whole[40 * t])
            assert difference.mean() < 2


@pytest.mark.parametrize("name", REMOVERS)
def test_a_remover_takes_views_and_read_only_frames(name, build):
    wide = picture(48, 130)
    view = wide[::2, 4:-6][:, ::-1]
    assert not view.flags.c_contiguous
    view.flags.writeable = False
    mask = np.asfortranarray(masks(*view.shape[:2])["region"])
    solid = next(build(name)([masked(view, mask)])).frame.image
    copy = next(build(name)([masked(view.copy(), mask.copy())])).frame.image
    assert np.array_equal(solid, copy)


@pytest.mark.parametrize("name", REMOVERS)
def test_a_remover_streams(name, build):
    pulled = 0

    def clip():
        nonlocal pulled
        for pts in range(100):
            pulled += 1
            yield masked(picture(12, 16), masks(12, 16)["region"], pts)

    frames = build(name)(clip())
    next(frames)
    assert pulled < 70  # a window is fine, the whole clip is not


@pytest.mark.parametrize("name", ["inpaint", "blur", "pixelate", "solid", "torchscript", "onnx"])
def test_what_was_masked_is_gone(name, build):
    image = np.full((60, 80, 3), 90, np.uint8)
    mask = np.zeros((60, 80), bool)
    mask[20:40, 30:50] = True
    stripes = np.indices((60, 80)).sum(0) % 2 == 0
    image[mask & stripes] = 255
    left = next(build(name)([masked(image, mask)])).frame.image[mask].astype(int)
    assert left.std() < 0.4 * image[mask].std()


@pytest.mark.parametrize(
    "make",
    [
        lambda: Inpaint("magic"),
        lambda: Inpaint(radius_px=0),
        lambda: Blur(0),
        lambda: Pixelate(2),
        lambda: Solid((0, 0)),
        lambda: Solid((0, 0, 256)),
        lambda: Overlay(1.5),
        lambda: Alpha(-0.1),
        lambda: SideBySide(Solid(), -1),
    ],
)
def test_options_that_cannot_work_are_refused(make):
    with pytest.raises(ConfigError, match="remover"):
        make()
