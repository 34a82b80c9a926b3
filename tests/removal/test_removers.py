from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from outtake import removal
from outtake.build import instantiate
from outtake.errors import ConfigError
from outtake.labels import LabelSpace
from outtake.removal import LabelledFrame, MaskedFrame
from outtake.removal.regions import regions
from outtake.types import TimedFrame

CONF = Path(__file__).parents[2] / "conf" / "remover"
SPACE = LabelSpace.named(("road", "car", "person"))
REMOVERS = sorted(file.stem for file in CONF.glob("*.yaml"))
TIME_BASE = Fraction(1, 12800)


def build(name: str) -> removal.Remover:
    from omegaconf import OmegaConf

    return instantiate(OmegaConf.load(CONF / f"{name}.yaml"))


def picture(height: int, width: int) -> np.ndarray:
    noise = np.random.default_rng(height * width).integers(0, 255, (8, 8, 3), np.uint8)
    return np.ascontiguousarray(cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC))


def masked(image: np.ndarray, mask: np.ndarray, pts: int = 7) -> MaskedFrame:
    frame = TimedFrame(image, pts, TIME_BASE)
    return MaskedFrame(frame, mask, LabelledFrame(frame, mask.astype(np.uint8), SPACE))


def masks(height: int, width: int) -> dict[str, np.ndarray]:
    some = np.zeros((height, width), bool)
    some[height // 4 : height // 2, width // 3 : width // 2] = True
    corner = np.zeros((height, width), bool)
    corner[:3, -4:] = True
    corner[-1:, :1] = True
    scattered = np.random.default_rng(3).random((height, width)) < 0.1
    return {
        "empty": np.zeros((height, width), bool),
        "full": np.ones((height, width), bool),
        "region": some,
        "corners": corner,
        "scattered": scattered,
        "all but one": ~(np.arange(height * width).reshape(height, width) == width + 1),
    }


@pytest.mark.parametrize("size", [(48, 64), (47, 61), (5, 3)])
@pytest.mark.parametrize("kind", masks(8, 8))
@pytest.mark.parametrize("name", REMOVERS)
def test_a_remover_keeps_the_contract(name, kind, size):
    remover = build(name)
    mask = masks(*size)[kind]
    inputs = [masked(picture(*size), mask, pts) for pts in (0, 100, 333)]
    before = [(item.frame.image.copy(), item.mask.copy()) for item in inputs]
    frames = list(remover(iter(inputs)))
    assert [(frame.pts, frame.time_base) for frame in frames] == [
        (pts, TIME_BASE) for pts in (0, 100, 333)
    ]
    for frame, item, (image, hole) in zip(frames, inputs, before, strict=True):
        assert frame.image.shape == (*size, 3) and frame.image.dtype == np.uint8
        assert np.array_equal(item.frame.image, image) and np.array_equal(item.mask, hole)
        assert not np.shares_memory(frame.image, item.frame.image)
        if remover.keeps_outside:
            assert np.array_equal(frame.image[~hole], image[~hole])


@pytest.mark.parametrize("name", REMOVERS)
def test_a_remover_takes_views_and_read_only_frames(name):
    wide = picture(48, 130)
    view = wide[::2, 4:-6][:, ::-1]
    assert not view.flags.c_contiguous
    view.flags.writeable = False
    mask = np.asfortranarray(masks(*view.shape[:2])["region"])
    solid = next(build(name)([masked(view, mask)])).image
    copy = next(build(name)([masked(view.copy(), mask.copy())])).image
    assert np.array_equal(solid, copy)


@pytest.mark.parametrize("name", REMOVERS)
def test_a_remover_streams(name):
    pulled = 0

    def clip():
        nonlocal pulled
        for pts in range(100):
            pulled += 1
            yield masked(picture(12, 16), masks(12, 16)["region"], pts)

    frames = build(name)(clip())
    next(frames)
    assert pulled < 70  # a window is fine, the whole clip is not


@pytest.mark.parametrize("name", ["inpaint", "blur", "pixelate", "solid"])
def test_what_was_masked_is_gone(name):
    image = np.full((60, 80, 3), 90, np.uint8)
    mask = np.zeros((60, 80), bool)
    mask[20:40, 30:50] = True
    stripes = np.indices((60, 80)).sum(0) % 2 == 0
    image[mask & stripes] = 255
    left = next(build(name)([masked(image, mask)])).image[mask].astype(int)
    assert left.std() < 0.4 * image[mask].std()


def test_inpaint_continues_the_surroundings():
    ramp = np.repeat(np.linspace(0, 250, 80).astype(np.uint8)[None, :, None], 60, 0).repeat(3, 2)
    mask = masks(60, 80)["region"]
    for method in ("telea", "ns"):
        filled = next(removal.Inpaint(method)([masked(np.where(mask[..., None], 255, ramp), mask)]))
        assert np.abs(filled.image[mask].astype(int) - ramp[mask]).mean() < 8


def test_filling_regions_one_by_one_is_like_filling_them_at_once():
    image = picture(90, 120)
    mask = np.zeros((90, 120), bool)
    mask[10:25, 10:30] = mask[50:70, 70:100] = mask[:4, 60:66] = True
    bgr = cv2.inpaint(image, mask.astype(np.uint8), 3, cv2.INPAINT_TELEA)
    filled = removal.Inpaint("telea", 3).fill(image, mask)
    assert np.abs(filled.astype(int) - bgr).max() <= 2


def test_regions_partition_the_mask():
    mask = np.random.default_rng(0).random((70, 50)) < 0.01
    counted = np.zeros(mask.shape, int)
    for crop, own in regions(mask, margin_px=3):
        counted[crop] += own
    assert np.array_equal(counted, mask)


def test_the_overlay_needs_labels():
    frame = TimedFrame(picture(10, 10), 0, TIME_BASE)
    with pytest.raises(ConfigError, match="needs labels"):
        next(removal.Overlay()([MaskedFrame(frame, np.zeros((10, 10), bool))]))


@pytest.mark.parametrize(
    "make",
    [
        lambda: removal.Inpaint("magic"),
        lambda: removal.Inpaint(radius_px=0),
        lambda: removal.Blur(0),
        lambda: removal.Pixelate(2),
        lambda: removal.Solid((0, 0)),
        lambda: removal.Solid((0, 0, 256)),
        lambda: removal.Overlay(1.5),
    ],
)
def test_options_that_can_not_work_are_refused(make):
    with pytest.raises(ConfigError, match="remover"):
        make()
