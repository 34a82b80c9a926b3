from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import replace
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from outtake.core.errors import ConfigError
from outtake.core.frames import FilledFrame, FillStatistics, MaskedFrame
from outtake.core.types import Frame, TimedFrame
from outtake.removal.field_remover import FieldRemover
from outtake.removal.grain import GrainRemover
from outtake.removal.grain_measurement import measure_grain
from outtake.removal.protocol import Remover
from outtake.removal.views import MaskRemover

HEIGHT, WIDTH = 240, 320
HOLE = np.zeros((HEIGHT, WIDTH), bool)
HOLE[80:170, 110:230] = True


def scene() -> np.ndarray:
    """Return a picture without noise: shading, a few edges, and a textured third."""
    down, across = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    grey = 90 + 60 * np.sin(down / 90) * np.cos(across / 120)
    grey[:, 150:156] += 40
    grey[100:104] -= 30
    coarse = np.random.default_rng(0).normal(0, 25, (24, 11)).astype(np.float32)
    grey[:, :107] += cv2.resize(coarse, (107, HEIGHT), interpolation=cv2.INTER_CUBIC)
    return np.stack((grey, grey * 0.9, grey * 0.8 + 20), axis=2)


def add_noise(picture: np.ndarray, deviation: float, seed: int, sigma_px: float = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 1, picture.shape).astype(np.float32)
    if sigma_px:
        noise = cv2.GaussianBlur(noise, (0, 0), sigma_px)
        noise /= noise.std()
    return picture + deviation * noise


def as_frame(picture: np.ndarray) -> Frame:
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


class Fill(Remover):
    """Fills with a given picture."""

    def __init__(self, picture: np.ndarray) -> None:
        self._picture = as_frame(picture)

    def __call__(self, clip: Iterable[MaskedFrame]) -> Iterator[FilledFrame]:
        for item in clip:
            own = self._picture[: len(item.mask)]
            image = np.where(item.mask[..., None], own, item.frame.image)
            image16 = image * np.uint16(257) if item.frame.image16 is not None else None
            frame = replace(item.frame, image=image, image16=image16)
            yield FilledFrame(item, frame, FillStatistics(observed=1.0))


def item(picture: np.ndarray, pts: int = 0, mask: np.ndarray = HOLE) -> MaskedFrame:
    return MaskedFrame(TimedFrame(as_frame(picture), pts, Fraction(1, 25)), mask)


def give_grain(source: np.ndarray, fill: np.ndarray, strength: float = 1, pts: int = 0) -> Frame:
    return next(GrainRemover(Fill(fill), strength)([item(source, pts)])).frame.image


def deviation_in_hole(image: Frame, truth: np.ndarray) -> float:
    return float((image.astype(np.float32) - truth)[HOLE].std())


@pytest.mark.parametrize("deviation", [3, 8])
def test_a_fill_without_noise_gets_that_of_the_picture(deviation: float):
    truth = scene()
    source = add_noise(truth, deviation, 1)
    out = give_grain(source, truth)
    assert np.array_equal(out[~HOLE], as_frame(source)[~HOLE])
    assert deviation_in_hole(out, truth) == pytest.approx(deviation, rel=0.1)


def test_noise_that_was_coded_is_grain_still():
    truth = scene()
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "18"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(6):
            noisy = as_frame(add_noise(truth, 8, number))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(noisy, format="rgb24")))
        container.mux(stream.encode())
    file.seek(0)
    with av.open(file) as container:
        source = [each.to_ndarray(format="rgb24") for each in container.decode(video=0)][-1]
    around = deviation_in_hole(source, truth)
    given = give_grain(source.astype(np.float32), truth)
    assert around > 4 and 0.6 < deviation_in_hole(given, truth) / around < 1.2


def test_a_fill_gets_what_it_lacks_and_no_more():
    truth = scene()
    source = add_noise(truth, 6, 1)
    whole = give_grain(source, add_noise(truth, 6, 2))
    half = give_grain(source, add_noise(truth, 3, 2))
    assert deviation_in_hole(whole, truth) == pytest.approx(6, rel=0.1)
    assert deviation_in_hole(half, truth) == pytest.approx(6, rel=0.1)
    twice = give_grain(source, truth, strength=2)
    assert deviation_in_hole(twice, truth) == pytest.approx(12, rel=0.1)


def test_a_picture_without_noise_gives_none():
    truth = scene()
    assert measure_grain(as_frame(truth), HOLE) is None
    found = next(GrainRemover(Fill(truth))([item(truth)]))
    assert np.array_equal(found.frame.image, as_frame(truth))
    assert found.statistics is not None and found.statistics.grain == 0


def test_grain_is_as_coarse_as_that_of_the_picture():
    truth = scene()
    source = add_noise(truth, 6, 1, sigma_px=0.7)
    added = (give_grain(source, truth) - as_frame(truth).astype(np.float32))[90:160, 170:225, 1]
    given = (as_frame(source) - truth)[90:160, 240:295, 1]

    def alike(noise: np.ndarray) -> float:
        return float(np.corrcoef(noise[:, 1:].ravel(), noise[:, :-1].ravel())[0, 1])

    assert alike(given) > 0.4 and alike(added) == pytest.approx(alike(given), abs=0.15)
    # Rather too little: what is coarser might be texture.
    assert 0.5 < added.std() / given.std() < 1.1


def test_grain_follows_the_brightness():
    truth = np.full((HEIGHT, WIDTH, 3), 40, np.float32)
    truth[:, WIDTH // 2 :] = 200
    deviations = np.where(truth > 100, 3, 6)
    out = give_grain(truth + deviations * add_noise(0 * truth, 1, 1), truth)
    added = (out - truth)[HOLE]
    dark = truth[HOLE] < 100
    assert added[dark].std() == pytest.approx(6, rel=0.15)
    assert added[~dark].std() == pytest.approx(3, rel=0.15)


def test_noise_depends_on_the_picture_alone():
    truth = scene()
    one, other = add_noise(truth, 5, 1), add_noise(truth, 5, 2)
    many = [
        found.frame.image
        for found in GrainRemover(Fill(truth))([item(one, 0), item(one, 1), item(other, 2)])
    ]
    # Animation shows a drawing for several frames: its grain stands still then.
    assert np.array_equal(many[0], many[1])
    assert np.array_equal(many[1], give_grain(one, truth, pts=7))
    added = [(image.astype(np.float32) - truth)[HOLE].ravel() for image in many[1:]]
    assert abs(np.corrcoef(*added)[0, 1]) < 0.05


def test_16_bit_pictures_get_fractions_of_grey_levels():
    truth = scene()
    one = item(add_noise(truth, 2, 1))
    one = replace(one, frame=replace(one.frame, image16=one.frame.image * np.uint16(257)))
    out = next(GrainRemover(Fill(truth))([one])).frame
    assert out.image16 is not None and one.frame.image16 is not None
    assert np.array_equal(out.image16[~HOLE], one.frame.image16[~HOLE])
    assert np.abs(out.image16 / 257 - out.image)[HOLE].max() <= 0.51
    assert (out.image16[HOLE] % 257 > 0).mean() > 0.9


def test_what_shows_no_grain_is_left_alone():
    rng = np.random.default_rng(0)
    tiny = rng.integers(0, 256, (12, 12, 3)).astype(np.float32)
    mask = np.zeros((12, 12), bool)
    mask[3:6, 3:6] = True
    found = next(GrainRemover(Fill(tiny))([item(tiny, mask=mask)]))
    assert np.array_equal(found.frame.image, tiny)
    noisy = add_noise(scene(), 5, 1)
    everything = np.ones_like(HOLE)
    found = next(GrainRemover(Fill(scene()))([item(noisy, mask=everything)]))
    assert np.array_equal(found.frame.image, as_frame(scene()))
    white = np.full_like(noisy, 255)
    assert measure_grain(as_frame(white), HOLE) is None


def test_the_statistics_say_how_much_was_given():
    truth = scene()
    found = next(GrainRemover(Fill(truth))([item(add_noise(truth, 4, 1))]))
    assert found.statistics is not None and found.statistics.grain is not None
    added = found.frame.image.astype(np.float32) - as_frame(truth)
    brightness = added[HOLE] @ np.array([0.299, 0.587, 0.114], np.float32)
    assert found.statistics.grain == pytest.approx(brightness.std(), rel=0.05)
    # That of three channels which do not agree is 0.67 of theirs.
    assert found.statistics.grain == pytest.approx(0.67 * 4, rel=0.15)
    assert found.statistics.observed == 1


def test_captions_and_bars_without_noise_neither_get_it_nor_hide_it():
    truth = scene()
    source = add_noise(truth, 6, 1)
    bars = np.zeros_like(HOLE)
    bars[:30] = bars[-30:] = True
    source[bars] = truth[bars] = 0
    assert deviation_in_hole(give_grain(source, truth), truth) == pytest.approx(6, rel=0.12)
    caption = np.zeros_like(HOLE)
    caption[8:22, 60:260] = True
    found = next(GrainRemover(Fill(truth))([item(source, mask=caption)]))
    assert found.frame.image[caption].max() == 0


@pytest.mark.parametrize(
    "texture",
    [
        lambda: np.tile(255.0 * (np.add.outer(np.arange(4), np.arange(4)) % 4 < 2), (60, 80)),
        lambda: (
            cv2.GaussianBlur(np.random.default_rng(0).normal(0, 1, (240, 320)), (0, 0), 2) * 150
            + 128
        ),
        lambda: np.where(np.random.default_rng(0).random((240, 320)) < 0.05, 230.0, 60.0),
    ],
    ids=["a halftone", "gravel", "confetti"],
)
def test_texture_is_no_grain(texture):
    grey = np.repeat(np.asarray(texture(), np.float32)[..., None], 3, axis=2)
    out = give_grain(grey, np.full_like(grey, 128))
    assert deviation_in_hole(out, np.full_like(grey, 128)) < 1


def test_weak_grain_comes_gradually():
    truth = scene()
    levels = [
        deviation_in_hole(give_grain(add_noise(truth, each, 1), truth), truth)
        for each in np.arange(0.2, 2.4, 0.2)
    ]
    assert levels[0] < 0.4 and levels[-1] > 1.5
    assert np.abs(np.diff(levels)).max() < 0.6


@pytest.mark.parametrize("deep", [False, True])
def test_a_grey_picture_stays_grey(deep: bool):
    grey = np.repeat(scene()[..., :1], 3, axis=2)
    noise = np.repeat(add_noise(np.zeros((HEIGHT, WIDTH, 1)), 6, 1), 3, axis=2)
    one = item(grey + noise)
    if deep:
        one = replace(one, frame=replace(one.frame, image16=one.frame.image * np.uint16(257)))
    out = next(GrainRemover(Fill(grey))([one])).frame
    picture = out.image16 if deep else out.image
    assert picture is not None and (picture == picture[..., :1]).all()
    assert deviation_in_hole(out.image, grey) == pytest.approx(6, rel=0.12)


def test_colours_agree_as_much_as_in_the_picture():
    truth = scene()
    added = (give_grain(add_noise(truth, 8, 1), truth) - truth)[HOLE]
    # Those of the picture do not agree at all.
    assert abs(np.corrcoef(added[:, 0], added[:, 1])[0, 1]) < 0.15
    assert added.std(axis=0) == pytest.approx([8, 8, 8], rel=0.2)


def test_fields_get_grain_of_their_own():
    truth = scene()
    source = add_noise(truth, 6, 1)
    found = next(FieldRemover(GrainRemover(Fill(truth[::2])), "tff")([item(source)]))
    assert found.statistics is not None and found.statistics.grain == pytest.approx(4, rel=0.15)
    added = found.frame.image.astype(np.float32) - as_frame(truth)[::2].repeat(2, axis=0)
    first, second = (added[row::2][HOLE[row::2]].ravel() for row in (0, 1))
    # The same noise in both would be grain that is two rows high.
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.05


def test_a_remover_without_a_fill_is_refused():
    with pytest.raises(ConfigError, match=r"set mask\.grain=0"):
        GrainRemover(MaskRemover(), 1)
    with pytest.raises(ConfigError, match="at most 2"):
        GrainRemover(Fill(scene()), 3)
