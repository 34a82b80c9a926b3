"""The weights of an encoder see the same image, whatever values the normalisation gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from torch import nn

from outtake.config.build_network import build_net, build_normalisation
from outtake.config.compose import compose
from outtake.models import encoder
from outtake.models.encoder import make_encoder
from outtake.models.encoder_pixels import find_weights_pixels
from outtake.models.normalisation import (
    CAFFE_PIXELS,
    IMAGENET_PIXELS,
    INCEPTION_PIXELS,
    CaffeNormalize,
    Normalize,
    PerImageNormalize,
    PixelScale,
)
from outtake.models.plain_encoder import PlainEncoder
from outtake.models.smp import SmpNet

HALVES = [0.5] * 3


def save_weights(net: nn.Module, path: Path) -> Path:
    """Save the weights of a network, with statistics that are not those of a new one."""
    torch.manual_seed(1)
    state = {
        key: torch.randn_like(value) if key.endswith("running_mean") else value
        for key, value in net.state_dict().items()
    }
    torch.save(state, path)
    return path


def see(net: nn.Module, values: torch.Tensor) -> torch.Tensor:
    """The finest map of an encoder, without what the border reaches."""
    with torch.no_grad():
        maps = net.eval()(values)
    finest: torch.Tensor = next(each for each in maps if each.shape[1] > 3)
    return finest[..., 4:-4, 4:-4]


@pytest.mark.parametrize(
    ("name", "normalise", "mean", "std"),
    [
        ("tu-mobilenetv1_100", Normalize(3), HALVES, HALVES),
        ("timm-tf_efficientnet_lite0", Normalize(3), HALVES, HALVES),
        ("tu-mobilevit_xxs", Normalize(3), [0.0] * 3, [1.0] * 3),
        ("mobileone_s0", Normalize(3, HALVES, HALVES), None, None),  # several first convolutions
        pytest.param("vgg11", CaffeNormalize(3), None, None, marks=pytest.mark.full),
        ("mit_b0", CaffeNormalize(3), None, None),  # blue first, and a bias before a norm
    ],
)
def test_the_encoder_responds_as_to_the_values_it_was_trained_on(
    tmp_path: Path, caplog, name: str, normalise: Any, mean, std
) -> None:
    path = save_weights(make_encoder(name), tmp_path / "weights.pth")
    image = torch.randint(0, 256, (1, 3, 64, 64), dtype=torch.uint8)
    expected = see(make_encoder(name, weights=str(path)), Normalize(3, mean, std)(image))
    with caplog.at_level("INFO", "outtake"):
        caplog.clear()
        net = make_encoder(name, weights=str(path), pixel_scale=vars(normalise.pixel_scale))
    assert torch.allclose(see(net, normalise(image)), expected, rtol=1e-3, atol=1e-3)
    (said,) = caplog.messages
    assert "weights.pth" in said and "first filters are converted" in said and "\n" not in said


def test_imagenet_weights_of_a_preset_are_converted(tmp_path: Path, monkeypatch) -> None:
    preset = ["model=keras/mobilenet_unet", "model.encoder_weights=imagenet"]
    cfg = compose("train", preset)
    path = save_weights(timm.create_model("mobilenetv1_100"), tmp_path / "model.pth")
    monkeypatch.setattr(encoder, "fetch_imagenet", lambda _: path)
    normalise = build_normalisation(cfg.normalize, 3)
    net: Any = build_net(cfg.model, 3, 3, normalise)
    image = torch.randint(0, 256, (1, 3, 64, 64), dtype=torch.uint8)
    trained = timm.create_model("mobilenetv1_100", features_only=True)
    trained.load_state_dict(torch.load(path), strict=False)
    expected = see(trained, (image / 255.0 - 0.5) / 0.5)
    assert torch.allclose(see(net.encoder, normalise(image)), expected, rtol=1e-3, atol=1e-3)


def test_patches_have_no_border_so_that_a_transformer_sees_the_same_image(tmp_path: Path) -> None:
    options: dict[str, Any] = {"encoder_name": "tu-vit_tiny_patch16_224", "dynamic_img_size": True}
    path = save_weights(timm.create_model("vit_tiny_patch16_224"), tmp_path / "weights.pth")
    image = torch.randint(0, 256, (1, 3, 64, 96), dtype=torch.uint8)
    responses = []
    for normalise in (Normalize(3, HALVES, HALVES), Normalize(3)):
        torch.manual_seed(0)
        scale = vars(normalise.pixel_scale)
        net = SmpNet("dpt", 2, encoder_weights=str(path), pixel_scale=scale, **options).eval()
        with torch.no_grad():
            responses.append(net(normalise(image)))
    assert torch.allclose(*responses, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("channels", [3, 5])
def test_weights_that_fit_stay_as_they_are_in_the_file(tmp_path: Path, caplog, channels) -> None:
    path = save_weights(make_encoder("resnet18"), tmp_path / "weights.pth")
    scale = vars(Normalize(channels, further_channels=channels - 3).pixel_scale)
    with caplog.at_level("INFO", "outtake"):
        net: Any = make_encoder(
            "resnet18", in_channels=channels, weights=str(path), pixel_scale=scale
        )
    given = torch.load(path)
    assert torch.equal(net.conv1.weight[:, :3], given["conv1.weight"])
    assert torch.equal(net.bn1.running_mean, given["bn1.running_mean"]) and not caplog.messages


def test_grey_images_are_what_they_were_in_colour(tmp_path: Path) -> None:
    path = save_weights(make_encoder("resnet18"), tmp_path / "weights.pth")
    grey = torch.randint(0, 256, (1, 1, 64, 64), dtype=torch.uint8)
    coloured = Normalize(3)(grey.expand(-1, 3, -1, -1))
    expected = see(make_encoder("resnet18", weights=str(path)), coloured)
    one = Normalize(1)
    scale = vars(one.pixel_scale)
    net = make_encoder("resnet18", in_channels=1, weights=str(path), pixel_scale=scale)
    assert torch.allclose(see(net, one(grey)), expected, rtol=1e-3, atol=1e-3)


def test_what_cannot_be_converted_names_the_keys_to_set(tmp_path: Path, caplog) -> None:
    path = save_weights(make_encoder("tu-resnetv2_18"), tmp_path / "weights.pth")
    scale = vars(Normalize(4, [*HALVES, 0.4], [*HALVES, 0.2]).pixel_scale)
    caplog.clear()
    make_encoder("tu-resnetv2_18", in_channels=4, weights=str(path), pixel_scale=scale)
    assert not caplog.records, "it is what the weights were trained on"
    scale = vars(Normalize(4, further_channels=1).pixel_scale)
    make_encoder("tu-resnetv2_18", in_channels=4, weights=str(path), pixel_scale=scale)
    (record,) = caplog.records
    assert record.levelname == "WARNING" and "\n" not in record.message
    keys = "normalize.mean=[0.5,0.5,0.5,0.5] normalize.std=[0.5,0.5,0.5,0.25]"
    assert record.message.endswith(f"set normalize=default {keys}")


def test_a_normalisation_without_fixed_values_is_warned_of(tmp_path: Path, caplog) -> None:
    path = save_weights(make_encoder("tu-mobilenetv1_100"), tmp_path / "weights.pth")
    cfg = compose("train", ["model=keras/mobilenet_unet", "normalize=per_image"])
    cfg.model.encoder_weights = str(path)
    build_net(cfg.model, 3, 3, build_normalisation(cfg.normalize, 3))
    (record,) = caplog.records
    assert record.levelname == "WARNING" and "normalize=default converts them" in record.message


@pytest.mark.parametrize(
    ("own", "of_timm"),
    [
        ("inceptionv4", "inception_v4"),
        ("inceptionresnetv2", "inception_resnet_v2"),
        ("xception", "legacy_xception"),
        ("dpn68", "dpn68"),
        ("dpn131", "dpn131"),
        ("timm-tf_efficientnet_lite4", "tf_efficientnet_lite4"),
        ("timm-efficientnet-b7", "tf_efficientnet_b7.aa_in1k"),
        ("timm-skresnet18", "skresnet18"),
        ("resnet18", "resnet18"),
        ("vgg16_bn", "vgg16_bn"),
    ],
)
def test_the_values_of_smp_are_those_that_timm_has_for_the_same_weights(own, of_timm) -> None:
    found, config = (
        find_weights_pixels(nn.Identity(), own, {}),
        timm.get_pretrained_cfg(of_timm),
    )
    assert found is not None and config is not None
    assert found.mean == pytest.approx([255 * each for each in config.mean], abs=0.01)
    assert found.std == pytest.approx([255 * each for each in config.std], abs=0.01)


def test_a_checkpoint_says_what_it_was_trained_on() -> None:
    with torch.device("meta"):
        mobilenet = make_encoder("tu-mobilenetv1_100")

    def pixels_of(normalise: nn.Module) -> PixelScale | None:
        state = {f"normalize.{key}": value for key, value in normalise.state_dict().items()}
        return find_weights_pixels(mobilenet, "tu-mobilenetv1_100", state)

    for normalise, expected in (
        (Normalize(3), IMAGENET_PIXELS),
        (CaffeNormalize(3), CAFFE_PIXELS),
    ):
        found = pixels_of(normalise)
        assert found is not None and found.bgr == expected.bgr
        assert found.mean == pytest.approx(expected.mean)
        assert found.std == pytest.approx(expected.std)
    assert pixels_of(PerImageNormalize()) is None
    assert find_weights_pixels(mobilenet, "tu-mobilenetv1_100", {}) == INCEPTION_PIXELS
    assert find_weights_pixels(PlainEncoder(), "plain", {}) is None


def test_what_timm_has_published_is_found_under_a_name_that_it_has_given_up() -> None:
    with torch.device("meta"):
        encoder = make_encoder("tu-tf_efficientnet_b0_ap")
    assert find_weights_pixels(encoder, "tu-tf_efficientnet_b0_ap", {}) == INCEPTION_PIXELS
