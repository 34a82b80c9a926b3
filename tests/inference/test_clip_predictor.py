from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from outtake.core.device import resolve_device
from outtake.core.errors import ConfigError, DeviceError, OutOfMemoryError
from outtake.core.labels import LabelSpace
from outtake.core.types import TimedFrame
from outtake.data.sample_range import SampleRange
from outtake.inference.clip_predictor import ClipPredictor
from outtake.inference.labeller import Labeller
from outtake.inference.torch_backend import TorchBackend

SPACE = LabelSpace.from_names(("dark", "bright"))


class Threshold(nn.Module):
    """Says "bright" where the picture is: a network with a known answer."""

    def __init__(self) -> None:
        super().__init__()
        self.labels = SPACE
        self.batches: list[tuple[int, ...]] = []

    def predict(self, images, size=None, *, flip=False):
        self.batches.append(tuple(images.shape))
        assert images.dtype == torch.uint8
        score = (images.float().mean(1, keepdim=True) - 127.5) / 16
        logits = torch.cat([-score, score], 1)
        if size is None:
            return logits
        return F.interpolate(logits, size=size, mode="bilinear", align_corners=False)


def clip(count: int, height: int = 40, width: int = 60) -> list[TimedFrame]:
    frames = []
    for index in range(count):
        image = np.zeros((height, width, 3), np.uint8)
        image[:, : width // 2 + index] = 255
        frames.append(TimedFrame(image, index * 7, Fraction(1, 90)))
    return frames


@pytest.mark.parametrize("batch_size", [1, 3, 16])
def test_every_frame_comes_out_with_its_labels(batch_size):
    frames = clip(7)
    predictor = ClipPredictor(TorchBackend(Threshold(), "cpu"), SPACE, batch_size=batch_size)
    out = list(predictor(iter(frames)))
    assert [item.frame for item in out] == frames
    for item in out:
        assert item.labels.dtype == np.uint8
        assert np.array_equal(item.labels, item.frame.image[..., 0] // 255)
        assert item.label_space is SPACE and item.confidence is None


def test_the_network_sees_the_short_side_of_training_and_labels_have_the_frames_size():
    task = Threshold()
    predictor = ClipPredictor(TorchBackend(task, "cpu"), SPACE, short_side=20, batch_size=2)
    labels = [item.labels for item in predictor(clip(3))]
    assert task.batches == [(2, 3, 20, 30)] * 2  # a last, smaller batch is filled up
    assert [label.shape for label in labels] == [(40, 60)] * 3


def test_labels_do_not_depend_on_what_shares_a_batch():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 5, 3, padding=1))

    class Random(nn.Module):
        def predict(self, images, size=None, *, flip=False):
            return F.interpolate(net(images.float()), size=size, mode="bilinear")

    noise = np.random.default_rng(0).integers(0, 256, (10, 40, 60, 3), np.uint8)
    frames = [TimedFrame(image, at, Fraction(1, 9)) for at, image in enumerate(noise)]
    backend = TorchBackend(Random(), "cpu", confidence=True)
    predictor = ClipPredictor(backend, SPACE, batch_size=4)
    assert predictor.stride == 4
    whole = list(predictor(frames))
    for part in (frames[4:], frames[8:9], frames[:6]):
        for one in predictor(part):
            same = whole[one.frame.pts]
            assert np.array_equal(one.labels, same.labels)
            assert np.array_equal(one.confidence, same.confidence)


@pytest.mark.parametrize("own_resolution", [False, True], ids=["device", "network"])
def test_frames_say_how_unsure_the_network_is_of_the_removed_classes(own_resolution):
    frames = clip(3)
    # The last frame is grey: the network cannot tell.
    frames[2].image[:] = 130
    backend = TorchBackend(Threshold(), "cpu")
    if own_resolution:
        backend = Labeller(backend.network)
    found = list(ClipPredictor(backend, SPACE, batch_size=2, uncertain_ids=(1,))(frames))
    sure, alike, unsure = (one.uncertain_share for one in found)
    assert sure == pytest.approx(0, abs=1e-3) and alike == pytest.approx(0, abs=1e-3)
    assert unsure == pytest.approx(0.42, abs=0.01)
    plain = list(ClipPredictor(backend, SPACE, batch_size=2)(frames))
    assert all(one.uncertain_share is None for one in plain)
    assert all(
        np.array_equal(one.labels, other.labels) for one, other in zip(found, plain, strict=True)
    )


def test_a_grey_network_gets_grey_pictures():
    task = Threshold()
    list(ClipPredictor(TorchBackend(task, "cpu"), SPACE, channels=1)(clip(1)))
    assert task.batches == [(1, 1, 40, 60)]
    with pytest.raises(ConfigError, match="takes 4 channels"):
        ClipPredictor(TorchBackend(task, "cpu"), SPACE, channels=4)


def test_batches_are_taken_as_they_are_needed():
    pulled = 0

    def frames():
        nonlocal pulled
        for frame in clip(20):
            pulled += 1
            yield frame

    next(ClipPredictor(TorchBackend(Threshold(), "cpu"), SPACE, batch_size=4)(frames()))
    assert pulled == 8  # while the first batch is being finished, the second is with the network
    with pytest.raises(ConfigError, match="batch_size=0"):
        ClipPredictor(TorchBackend(Threshold(), "cpu"), SPACE, batch_size=0)


def test_confidence_is_the_softmax_of_the_label():
    torch.manual_seed(0)
    logits = torch.randn(2, 5, 6, 7)

    class Fixed(nn.Module):
        def predict(self, images, size=None, *, flip=False):
            return logits

    labels, confidence = TorchBackend(Fixed(), "cpu", confidence=True)(
        np.zeros((2, 6, 7, 3), np.uint8), (6, 7)
    )
    best, ids = logits.softmax(1).max(1)
    assert np.array_equal(labels, ids.numpy())
    assert np.allclose(confidence, best.numpy(), atol=1e-6)


def test_bfloat16_gives_the_same_labels_on_an_easy_picture():
    images = np.stack([frame.image for frame in clip(2)])
    exact, _ = TorchBackend(Threshold(), "cpu", "float32")(images, (40, 60))
    half, _ = TorchBackend(Threshold(), "cpu", "bfloat16")(images, (40, 60))
    assert np.array_equal(exact, half)
    with pytest.raises(ConfigError, match="precision=int4: unknown; use auto, float32"):
        TorchBackend(Threshold(), "cpu", "int4")


def test_device_names(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolve_device("auto").type == resolve_device("cpu").type == "cpu"
    with pytest.raises(DeviceError, match="no CUDA device; use cpu or auto"):
        resolve_device("cuda")
    for name in ("gpu", "meta"):
        with pytest.raises(DeviceError, match="use auto, cpu or cuda"):
            resolve_device(name)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert resolve_device("auto").type == "cuda"
    with pytest.raises(DeviceError, match="there are 1 CUDA devices"):
        resolve_device("cuda:3")


@pytest.mark.parametrize(
    "full", [torch.OutOfMemoryError("CUDA out of memory. Tried to allocate"), MemoryError()]
)
def test_a_batch_that_does_not_fit_is_one_line_with_what_to_set(full):
    class Full(Threshold):
        def predict(self, images, size=None, *, flip=False):
            raise full

    predictor = ClipPredictor(TorchBackend(Full(), "cpu"), SPACE, short_side=20, batch_size=2)
    with pytest.raises(OutOfMemoryError) as caught:
        next(predictor(clip(5)))
    said = str(caught.value)
    assert "2 frames of 60x40 at a time, which the network sees at 30x20" in said
    assert all(
        key in said
        for key in ("on cpu", "network.batch_size (now 2)", "network.short_side", "network.window=")
    )
    assert caught.value.exit_code == 66


def test_other_errors_of_a_network_are_not_taken_for_full_memory():
    class Broken(Threshold):
        def predict(self, images, size=None, *, flip=False):
            raise RuntimeError("sizes of tensors must match")

    with pytest.raises(RuntimeError, match="must match"):
        next(ClipPredictor(TorchBackend(Broken(), "cpu"), SPACE)(clip(1)))


def test_frames_are_scaled_to_what_the_network_saw_in_training():
    seen = []

    class Sees(Threshold):
        def predict(self, images, size=None, *, flip=False):
            seen.append(images[0, 0, 0].tolist())
            return super().predict(images, size, flip=flip)

    def values(frame, **options):
        next(ClipPredictor(TorchBackend(Sees(), "cpu"), SPACE, **options)([frame]))
        return seen.pop()

    ten_bits = np.array([0, 100, 366, 750, 1023])
    deep = np.repeat((ten_bits * 65535 // 1023).astype(np.uint16)[None, :, None], 3, 2)
    image = (deep >> 8).astype(np.uint8)
    frame = TimedFrame(image, 0, Fraction(1), deep)
    assert values(frame) == values(frame, scale=(0.0, 1.0)) == image[0, :, 0].tolist()
    stills = SampleRange(400, 3000).share_of_depth()  # of 12 bits
    wanted = [0, 0, round((366 / 1023 * 4095 - 400) / 2600 * 255), 255, 255]
    assert values(frame, scale=stills) == wanted
    assert values(TimedFrame(image, 0, Fraction(1)), scale=stills) == pytest.approx(wanted, abs=1)
