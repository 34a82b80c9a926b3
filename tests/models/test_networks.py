from __future__ import annotations

from pathlib import Path

import pytest
import segmentation_models_pytorch as smp
import torch
from safetensors.torch import save_file
from torch import nn

from outtake.core.errors import ConfigError, WeightsError
from outtake.models.encoder import make_encoder
from outtake.models.fcn import FCN
from outtake.models.layers import FrozenUpsample, LearnedUpsample
from outtake.models.normalisation import Normalize
from outtake.models.smp import SmpNet

SIZES = [(64, 96), (45, 71), (1, 33)]
BACKBONES = ["vgg16_bn", "resnet18", "mobilenet_v2", "efficientnet-b0", "tu-mobilenetv3_small_050"]


def architectures() -> list[str]:
    return sorted(smp.MODEL_ARCHITECTURES_MAPPING)


def encoder_for(architecture: str) -> str:
    return "tu-vit_tiny_patch16_224" if architecture == "dpt" else "resnet18"


def options_for(architecture: str) -> dict[str, bool]:
    return {"dynamic_img_size": True} if architecture == "dpt" else {}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("stride", [8, 16, 32])
@pytest.mark.parametrize("encoder", BACKBONES)
def test_fcn_gives_logits_at_the_inputs_size(encoder, stride, size) -> None:
    net = FCN(4, encoder, stride=stride).eval()
    with torch.inference_mode():
        assert net(torch.zeros(2, 3, *size)).shape == (2, 4, *size)


@pytest.mark.parametrize("channels", [1, 3, 5])
@pytest.mark.parametrize("architecture", architectures())
def test_every_smp_architecture_takes_any_size_and_channels(architecture, channels) -> None:
    net = SmpNet(
        architecture,
        4,
        encoder_for(architecture),
        in_channels=channels,
        **options_for(architecture),
    ).eval()
    with torch.inference_mode():
        assert net(torch.zeros(1, channels, 45, 71)).shape == (1, 4, 45, 71)


def test_vgg_skips_are_after_the_pooling_as_in_the_paper() -> None:
    net = FCN(2, "vgg16_bn", stride=8)
    widths = [score.in_channels for score in net.skip_scores]
    assert widths == [512, 256], "pool4 has 512 channels, pool3 has 256"


def test_the_papers_fully_connected_layers_can_be_had() -> None:
    net = FCN(2, "mobilenet_v2", fc_channels=64, fc_kernel=7)
    assert net.score.in_channels == 64
    assert net.eval()(torch.zeros(1, 3, 64, 64)).shape == (1, 2, 64, 64)


def test_learned_upsampling_starts_as_the_frozen_one() -> None:
    x = torch.rand(1, 3, 7, 9)
    for factor in (2, 8, 32):
        learned, frozen = LearnedUpsample(3, factor)(x), FrozenUpsample(factor)(x)
        assert learned.shape == frozen.shape
        inside = (..., slice(factor, -factor), slice(factor, -factor))
        assert torch.allclose(learned[inside], frozen[inside], atol=1e-5)


def test_frozen_upsampling_has_no_parameters_and_learned_ones_train() -> None:
    assert not list(FCN(2, upsampling="frozen").up_final.parameters())
    net = FCN(2, upsampling="learned")
    net(torch.rand(2, 3, 32, 32)).sum().backward()
    assert net.up_final.weight.grad is not None


def test_every_fcn_learns_a_picture() -> None:
    torch.manual_seed(0)
    image, target = torch.zeros(2, 3, 32, 32), torch.zeros(2, 32, 32, dtype=torch.long)
    image[:, :, :, 16:], target[:, :, 16:] = 1.0, 1
    net = FCN(2, "resnet18", dropout=0.0)
    optimizer = torch.optim.AdamW(net.parameters(), 1e-3)
    for _ in range(12):
        loss = nn.functional.cross_entropy(net(image), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert (net(image).argmax(1) == target).float().mean() > 0.9


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"stride": 4}, "allowed are 8, 16 and 32"),
        ({"upsampling": "cubic"}, "allowed are frozen, learned"),
        ({"encoder_name": "resnet19"}, "did you mean"),
        ({"encoder_name": "tu-regnetx_005"}, "did you mean"),
    ],
)
def test_a_wrong_option_says_what_is_allowed(arguments, said) -> None:
    with pytest.raises(ConfigError, match=said):
        FCN(2, **arguments)


def test_an_unknown_architecture_or_option_is_refused() -> None:
    with pytest.raises(ConfigError, match="deeplabv3plus"):
        SmpNet("deeplab", 2)
    with pytest.raises(ConfigError, match="can not be built"):
        SmpNet("unet", 2, decoder_channels=(1, 2))


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("encoder", ["resnet18", "tu-mobilenetv3_small_050"])
def test_encoder_weights_load_from_a_local_file(tmp_path: Path, suffix, encoder) -> None:
    given = make_encoder(encoder)
    path = tmp_path / f"weights{suffix}"
    state = {k: v.contiguous() for k, v in given.state_dict().items()}
    state["fc.weight"] = torch.zeros(3, 3)
    save_file(state, path) if suffix == ".safetensors" else torch.save(state, path)
    loaded = make_encoder(encoder, weights=str(path))
    for name, value in given.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name


def test_rgb_weights_fit_other_channel_counts_and_keep_the_grey_response(tmp_path: Path) -> None:
    given = make_encoder("resnet18")
    path = tmp_path / "weights.pth"
    torch.save(given.state_dict(), path)
    five = make_encoder("resnet18", in_channels=5, weights=str(path))
    grey = torch.rand(1, 1, 32, 32)
    rgb = nn.functional.conv2d(grey.expand(-1, 3, -1, -1), given.state_dict()["conv1.weight"])
    wide = nn.functional.conv2d(grey.expand(-1, 5, -1, -1), five.state_dict()["conv1.weight"])
    # Repeating three filters over five channels leaves one of them counted less often.
    kernel = given.state_dict()["conv1.weight"][:, [0, 1, 2, 0, 1]] * (3 / 5)
    assert torch.allclose(five.state_dict()["conv1.weight"], kernel)
    assert torch.allclose(rgb.abs().mean(), wide.abs().mean(), rtol=0.25)


def test_weights_of_another_encoder_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save(make_encoder("resnet18").state_dict(), path)
    with pytest.raises(WeightsError, match="does not fit encoder 'resnet34'"):
        make_encoder("resnet34", weights=str(path))


def test_broken_and_absent_weights_are_refused(tmp_path: Path) -> None:
    broken = tmp_path / "weights.pth"
    broken.write_bytes(b"not a state dict")
    with pytest.raises(WeightsError, match="not a readable file"):
        make_encoder("resnet18", weights=str(broken))
    with pytest.raises(WeightsError, match="no such file"):
        make_encoder("resnet18", weights=str(tmp_path / "absent.pth"))


@pytest.mark.parametrize("encoder", ["resnet18", "tu-mobilenetv3_small_050"])
def test_imagenet_offline_names_the_file_and_the_option(monkeypatch, tmp_path, encoder) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    with pytest.raises(WeightsError) as caught:
        make_encoder(encoder, weights="imagenet")
    message = str(caught.value)
    assert "model.safetensors" in message
    assert "model.encoder_weights=PATH" in message


def test_normalisation_maps_the_mean_to_zero_for_any_channel_count() -> None:
    normalize = Normalize(5)
    assert normalize(torch.full((1, 5, 2, 2), 127, dtype=torch.uint8)).abs().max() < 0.01
    rgb = Normalize(3)(torch.zeros(1, 3, 1, 1, dtype=torch.uint8)).flatten()
    assert torch.allclose(rgb[0], torch.tensor(-0.485 / 0.229))
