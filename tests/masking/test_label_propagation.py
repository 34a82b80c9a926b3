from collections.abc import Iterable, Iterator
from fractions import Fraction

import cv2
import numpy as np
import pytest

from outtake.core.errors import ConfigError
from outtake.core.frames import LabelledFrame
from outtake.core.labels import LabelSpace
from outtake.core.types import TimedFrame
from outtake.masking.label_propagation import LabelPropagator

SPACE = LabelSpace.from_names(("road", "car", "person"))
SIZE = (180, 320)


def texture(seed: int, height: int, width: int) -> np.ndarray:
    size = (height // 20, width // 20, 3)
    noise = np.random.default_rng(seed).integers(0, 256, size, np.uint8)
    return cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)


GROUND, SKIN = texture(0, 240, 800), texture(1, 80, 80)


def scene(number: int) -> tuple[np.ndarray, np.ndarray]:
    image = GROUND[30:210, 2 * number : 2 * number + 320].copy()
    labels = np.zeros(SIZE, np.uint8)
    labels[:60] = 2
    x = 50 + 6 * number
    image[70:150, x : x + 80] = SKIN
    labels[70:150, x : x + 80] = 1
    return image, labels


def frames(count: int, first: int = 0) -> Iterator[TimedFrame]:
    for number in range(first, first + count):
        yield TimedFrame(scene(number)[0], number, Fraction(1, 25))


class Network:
    """Knows the truth, and which frames it was asked about."""

    def __init__(self, confidence: bool = False, stride: int = 1) -> None:
        self.asked: list[int] = []
        self.stride = stride
        self._confidence = confidence

    def __call__(self, clip: Iterable[TimedFrame]) -> Iterator[LabelledFrame]:
        batch: list[TimedFrame] = []
        for frame in clip:
            self.asked.append(frame.pts)
            batch.append(frame)
            if len(batch) == self.stride:
                yield from map(self._label, batch)
                batch = []
        yield from map(self._label, batch)

    def _label(self, frame: TimedFrame) -> LabelledFrame:
        labels = scene(frame.pts)[1]
        sure = np.where(labels == 1, 0.75, 0.5).astype(np.float32) if self._confidence else None
        return LabelledFrame(frame, labels, SPACE, sure)


@pytest.mark.parametrize("every", [1, 2, 3, 5])
@pytest.mark.parametrize("count", [1, 5, 11, 13])
def test_the_network_sees_key_frames_and_every_frame_gets_labels(every, count):
    network = Network()
    out = list(LabelPropagator(network, every)(frames(count)))
    assert network.asked == list(range(0, count, every))
    assert [item.frame.pts for item in out] == list(range(count))
    for item in out:
        truth = scene(item.frame.pts)[1]
        assert item.labels.dtype == np.uint8 and item.label_space is SPACE
        assert (item.labels == truth).mean() > 0.94
        if item.frame.pts % every == 0:
            assert np.array_equal(item.labels, truth)


def test_carrying_beats_holding_the_last_labels():
    out = list(LabelPropagator(Network(), 5)(frames(11)))
    for item in (out[2], out[4], out[8]):
        held = scene(item.frame.pts // 5 * 5)[1]
        truth = scene(item.frame.pts)[1]
        assert (item.labels != truth).sum() < 0.5 * (held != truth).sum()


def test_what_the_next_key_frame_alone_saw_is_there_before():
    # The car appears between two key frames; the one before it does not know it.
    def clip() -> Iterator[TimedFrame]:
        for number, frame in enumerate(frames(5)):
            image = frame.image.copy()
            if number < 2:
                image[70:150] = GROUND[100:180, 2 * number : 2 * number + 320]
            yield TimedFrame(image, number, frame.time_base)

    class SeesTheCarLate(Network):
        def _label(self, frame: TimedFrame) -> LabelledFrame:
            labels = scene(frame.pts)[1]
            if frame.pts < 2:
                labels[labels == 1] = 0
            return LabelledFrame(frame, labels, SPACE)

    out = list(LabelPropagator(SeesTheCarLate(), 4)(clip()))
    assert ((out[3].labels == 1) == (scene(3)[1] == 1)).mean() > 0.97
    assert (out[1].labels == 1).mean() < 0.02


def test_confidence_comes_along():
    for item in LabelPropagator(Network(confidence=True), 3)(frames(8)):
        assert item.confidence is not None and item.confidence.shape == SIZE
        assert item.confidence[scene(item.frame.pts)[1] == 1].mean() == pytest.approx(
            0.75, abs=0.02
        )


def test_a_part_of_a_clip_gets_the_labels_that_the_whole_gives_it():
    whole = list(LabelPropagator(Network(), 3)(frames(14)))
    part = list(LabelPropagator(Network(), 3)(frames(8, first=6)))
    for one, other in zip(whole[6:], part, strict=True):
        assert np.array_equal(one.labels, other.labels)


def test_batches_of_key_frames_change_nothing():
    carried = LabelPropagator(Network(stride=4), 3)
    assert carried.stride == 12
    for one, other in zip(
        carried(frames(17)), LabelPropagator(Network(), 3)(frames(17)), strict=True
    ):
        assert one.frame.pts == other.frame.pts and np.array_equal(one.labels, other.labels)


def test_an_empty_clip_stays_empty():
    assert list(LabelPropagator(Network(), 3)(iter(()))) == []


@pytest.mark.parametrize("every", [0, -1, 65])
def test_strides_out_of_range_are_refused(every):
    with pytest.raises(ConfigError, match=r"network\.every"):
        LabelPropagator(Network(), every)
