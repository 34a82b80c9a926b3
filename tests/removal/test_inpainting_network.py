from __future__ import annotations

import hashlib
from fractions import Fraction

import numpy as np
import pytest
from torch import Tensor, nn

from outtake.core.errors import ConfigError, DeviceError
from outtake.core.frames import MaskedFrame
from outtake.core.types import TimedFrame
from outtake.removal.clean_plate.remover import CleanPlate
from outtake.removal.onnx import Onnx
from outtake.removal.torchscript import TorchScript
from tests.removal import networks
from tests.removal.networks import (
    GREY,
    SECRET,
    onnx_remover,
    picture_with_secret,
    torchscript_remover,
)


@pytest.mark.parametrize("make", [torchscript_remover, onnx_remover])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"value_range": (-1, 1)},
        {"value_range": (0, 255)},
        {"channel_order": "bgr"},
        {"multiple_of": 32},
        {"size": 24},
        {"size": [40, 16]},
        {"max_side_px": 20},
        {"margin": 0},
        {"device": "cpu"},
    ],
    ids=str,
)
def test_the_hole_is_filled_and_the_rest_untouched(make, options, tmp_path):
    image, mask = picture_with_secret()
    filled = make(tmp_path, **options).fill(image, mask)
    assert np.array_equal(filled[~mask], image[~mask])
    assert np.abs(filled[mask].astype(int) - (GREY, GREY + 20, GREY + 40)).max() <= 1
    assert tuple(image[25, 30]) == SECRET


class Sees(nn.Module):
    """Gives what it is shown, the mask as it comes in all three channels on request."""

    def __init__(self, mask: bool) -> None:
        super().__init__()
        self.mask = mask

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        return mask.expand(-1, 3, -1, -1) if self.mask else image


def test_what_is_hidden_never_reaches_the_network(tmp_path):
    image, mask = picture_with_secret()
    for values, shown in (((0, 1), 0), ((-1, 1), 128), ((0, 255), 0)):
        remover = torchscript_remover(tmp_path, Sees(mask=False), value_range=values)
        filled = remover.fill(image, mask)
        assert np.abs(filled[mask].astype(int) - shown).max() <= 1
    # Not even at the edge of a picture that was scaled.
    filled = torchscript_remover(tmp_path, Sees(mask=False), size=33).fill(image, mask)
    assert filled[26, 35].max() == 0 and filled[mask][:, 2].max() < 130


def test_the_mask_has_the_polarity_that_is_asked_for(tmp_path):
    image, mask = picture_with_secret()
    for values, shown in (((0, 1), 255), ((1, 0), 0)):
        remover = torchscript_remover(tmp_path, Sees(mask=True), mask_values=values)
        filled = remover.fill(image, mask)
        assert (filled[mask] == shown).all()


def test_inputs_come_in_the_order_of_the_network(tmp_path):
    image, mask = picture_with_secret()

    class Turned(networks.Mean):
        def forward(self, image: Tensor, mask: Tensor) -> Tensor:
            known = 1 - image
            mean = (mask * known).sum(dim=(2, 3), keepdim=True) / known.sum()
            return mask * known + mean * image

    filled = torchscript_remover(tmp_path, Turned(), inputs=["mask", "image"]).fill(image, mask)
    assert np.abs(filled[mask][:, 0].astype(int) - GREY).max() <= 1


@pytest.mark.parametrize("order", ["image+mask", "mask+image"])
def test_one_tensor_of_both_and_a_range_of_its_own(order, tmp_path):
    image, mask = picture_with_secret()
    remover = torchscript_remover(
        tmp_path, networks.Constant(), inputs=[order], output_range=(-1, 1), value_range=(0, 1)
    )
    assert (remover.fill(image, mask)[mask] == (255, 128, 0)).all()


def test_it_says_what_was_synthesised_and_by_what(tmp_path):
    image, mask = picture_with_secret()
    remover = torchscript_remover(tmp_path, licence="CC BY-NC 4.0")
    clip = [MaskedFrame(TimedFrame(image, t, Fraction(1, 25)), mask & (t > 0)) for t in (0, 1)]
    assert [filled.statistics.synthesised for filled in remover(iter(clip))] == [0, 1]
    digest = hashlib.sha256((tmp_path / "net.pt").read_bytes()).hexdigest()
    assert remover.notes == {
        "network": "net.pt",
        "network_sha256": digest,
        "licence": "CC BY-NC 4.0",
    }


def test_it_fills_for_the_clean_plate(tmp_path):
    image, mask = picture_with_secret()
    clip = [MaskedFrame(TimedFrame(image, 0, Fraction(1, 25)), mask)]
    plate = CleanPlate(filler=torchscript_remover(tmp_path, licence="MIT"))
    assert plate.files() == (tmp_path / "net.pt",) and plate.notes["licence"] == "MIT"
    (filled,) = plate(iter(clip))
    assert np.abs(filled.frame.image[mask].astype(int) - (GREY, GREY + 20, GREY + 40)).max() <= 2


class Fails(nn.Module):
    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        assert image.size(2) == 7, "only seven rows, please"
        return image


class Larger(nn.Module):
    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        return nn.functional.pad(image, [0, 1, 0, 0])


class Broken(nn.Module):
    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        return image / 0.0


@pytest.mark.parametrize(
    ("network", "message"),
    [(Fails(), "seven rows"), (Larger(), "shape"), (Broken(), "NaN or infinity")],
)
def test_a_network_that_does_not_fit_is_one_line(network, message, tmp_path):
    with pytest.raises(ConfigError, match=message) as error:
        torchscript_remover(tmp_path, network).fill(*picture_with_secret())
    assert "net.pt" in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("kind", [TorchScript, Onnx])
def test_a_file_that_is_missing_or_none_is_one_line(kind, tmp_path):
    with pytest.raises(ConfigError, match=r"nowhere\.bin: there is no such file"):
        kind(tmp_path / "nowhere.bin")
    (tmp_path / "text.bin").write_text("hello")
    with pytest.raises(ConfigError, match=r"text\.bin"):
        kind(tmp_path / "text.bin")


@pytest.mark.parametrize("make", [torchscript_remover, onnx_remover])
def test_a_device_that_is_none_is_refused(make, tmp_path):
    with pytest.raises(DeviceError, match=r"remover\.device=tpu"):
        make(tmp_path, device="tpu")
    with pytest.raises(DeviceError, match=r"remover\.device=\['cpu'\]: unknown"):
        make(tmp_path, device=["cpu"])


@pytest.mark.parametrize("inputs", [5, "image+mask", [["image"], "mask"], ["image", 3], []])
@pytest.mark.parametrize("make", [torchscript_remover, onnx_remover])
def test_inputs_that_are_none_are_one_line(make, inputs, tmp_path):
    if make is onnx_remover and isinstance(inputs, list):
        inputs = dict(zip("ab", inputs, strict=False))
    with pytest.raises(ConfigError, match=r"remover\.inputs"):
        make(tmp_path, inputs=inputs)


def test_onnx_inputs_without_names_are_one_line(tmp_path):
    with pytest.raises(
        ConfigError, match=r"remover\.inputs=.*as in \{x:image,m:mask\}, or be null"
    ):
        onnx_remover(tmp_path, inputs=["a", "b"])


@pytest.mark.parametrize("kind", [TorchScript, Onnx])
def test_a_path_that_is_a_number_is_one_line(kind):
    with pytest.raises(ConfigError, match=r"remover\.path=5: must name a file"):
        kind(5)
