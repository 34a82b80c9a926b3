from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch.nn import functional as F

from outtake.core.errors import ConfigError, WeightsError
from outtake.models.encoder import find_encoder_name, make_encoder
from outtake.models.fcn import FCN
from outtake.models.keras_networks import KerasUNet
from outtake.models.smp import SmpNet


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


def test_rgb_weights_fit_grey_images_and_keep_their_response(tmp_path: Path) -> None:
    given = make_encoder("resnet18")
    path = tmp_path / "weights.pth"
    torch.save(given.state_dict(), path)
    own = make_encoder("resnet18", in_channels=1, weights=str(path)).state_dict()["conv1.weight"]
    kernel = given.state_dict()["conv1.weight"]
    grey = torch.rand(1, 1, 9, 9)
    expected = F.conv2d(grey.expand(-1, 3, -1, -1), kernel)
    assert torch.allclose(F.conv2d(grey, own), expected, atol=1e-5)


def test_filters_of_channels_behind_rgb_begin_at_the_mean_of_those_of_rgb(tmp_path: Path) -> None:
    given = make_encoder("resnet18")
    path = tmp_path / "weights.pth"
    torch.save(given.state_dict(), path)
    five = make_encoder("resnet18", in_channels=5, weights=str(path)).state_dict()["conv1.weight"]
    kernel = given.state_dict()["conv1.weight"]
    assert torch.equal(five[:, :3], kernel)
    for channel in (3, 4):
        assert torch.allclose(five[:, channel], kernel.mean(1))


def test_weights_of_another_encoder_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save(make_encoder("resnet18").state_dict(), path)
    with pytest.raises(WeightsError, match="does not fit encoder 'resnet34'"):
        make_encoder("resnet34", weights=str(path))


def test_broken_and_absent_weights_are_refused(tmp_path: Path) -> None:
    broken = tmp_path / "weights.pth"
    broken.write_bytes(b"not a state dict")
    with pytest.raises(WeightsError, match=r"^model.encoder_weights=.*weights\.pth is text"):
        make_encoder("resnet18", weights=str(broken))
    with pytest.raises(WeightsError, match="no such file"):
        make_encoder("resnet18", weights=str(tmp_path / "absent.pth"))


def test_what_is_beside_the_tensors_by_name_is_passed_over(tmp_path: Path) -> None:
    given = make_encoder("resnet18").state_dict()
    torch.save({1: torch.zeros(3)} | given, tmp_path / "weights.pth")
    loaded = make_encoder("resnet18", weights=str(tmp_path / "weights.pth")).state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in given.items())


@pytest.mark.parametrize("encoder", ["resnet18", "tu-mobilenetv3_small_050"])
@pytest.mark.parametrize(
    "prefix", ["", "module.", "net.net.", "model.", "network._orig_mod.", "module._orig_mod."]
)
def test_the_encoder_of_a_whole_network_of_smp_is_found(tmp_path: Path, encoder, prefix) -> None:
    given = SmpNet("fpn", 2, encoder)
    state = {prefix + name: value for name, value in given.net.state_dict().items()}
    torch.save({"state_dict": state}, tmp_path / "whole.pth")
    loaded = make_encoder(encoder, weights=str(tmp_path / "whole.pth")).state_dict()
    for name, value in given.net.encoder.state_dict().items():
        assert torch.equal(loaded[name], value), name


@pytest.mark.parametrize("encoder", ["resnet18", "tu-mobilenetv3_small_050"])
def test_imagenet_offline_names_the_file_and_the_option(monkeypatch, tmp_path, encoder) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    with pytest.raises(WeightsError) as caught:
        make_encoder(encoder, weights="imagenet")
    message = str(caught.value)
    assert "model.safetensors" in message
    assert "model.encoder_weights=PATH" in message


def test_an_encoder_that_takes_no_strict_loading_begins_from_a_file(tmp_path: Path) -> None:
    given = make_encoder("xception").state_dict()
    torch.save(given, tmp_path / "weights.pth")
    loaded = make_encoder("xception", weights=str(tmp_path / "weights.pth")).state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in given.items())


@pytest.mark.parametrize(
    "prefix", ["", "module.", "model.", "module.backbone.", "encoder.", "encoder._orig_mod."]
)
def test_a_file_of_timm_fits_where_the_encoder_joins_names(tmp_path: Path, prefix: str) -> None:
    given = timm.create_model("convnext_atto").state_dict()
    torch.save({prefix + key: value for key, value in given.items()}, tmp_path / "weights.pth")
    loaded = make_encoder("tu-convnext_atto", weights=str(tmp_path / "weights.pth")).state_dict()
    for own, theirs in (("stem_0", "stem.0"), ("stages_3.blocks.1.norm", "stages.3.blocks.1.norm")):
        assert torch.equal(loaded[f"model.{own}.weight"], given[f"{theirs}.weight"])


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("timm-resnet18", "did you mean tu-resnet18"),
        ("timm-regnetx_003", "did you mean tu-regnetx_0"),
        ("timm-efficientnet-b9", "did you mean timm-efficientnet-b"),
        ("tu-resnet18.foo", "no such weights of resnet18; known are tu-resnet18.a1_in1k"),
        (None, "null: name an encoder, such as resnet18"),
        (18, "18: name an encoder, such as resnet18"),
    ],
)
@pytest.mark.parametrize(
    "build",
    [
        lambda name: FCN(2, name),
        lambda name: SmpNet("unet", 2, name),
        lambda name: KerasUNet(2, name),
    ],
)
def test_a_name_that_is_none_is_one_line_with_the_nearest(build, name, said) -> None:
    with pytest.raises(ConfigError, match=f"^model.encoder_name=.*{said}") as caught:
        build(name)
    assert len(str(caught.value)) < 400


def test_names_that_smp_has_given_up_are_those_of_today() -> None:
    assert find_encoder_name("timm-regnetx_002") == "tu-regnetx_002"
    assert find_encoder_name("timm-mobilenetv3_small_100") == "tu-tf_mobilenetv3_small_100"
    assert find_encoder_name("timm-efficientnet-b0") == "timm-efficientnet-b0"
    assert find_encoder_name("tu-resnet18.a1_in1k") == "tu-resnet18.a1_in1k"


def test_what_timm_cannot_make_an_encoder_of_is_one_line() -> None:
    with pytest.raises(
        ConfigError, match=r"=tu-nest_tiny: this encoder cannot be built: .*choose another"
    ):
        make_encoder("tu-nest_tiny")
    with pytest.raises(ConfigError, match="cannot be built on encoder 'tu-nest_tiny'"):
        SmpNet("unet", 2, "tu-nest_tiny")


@pytest.mark.parametrize(
    "build",
    [
        lambda: FCN(2, "tu-swin_tiny_patch4_window7_224"),
        lambda: SmpNet("unet", 2, "tu-swin_tiny_patch4_window7_224"),
        lambda: SmpNet("dpt", 2, "tu-vit_tiny_patch16_224"),
    ],
)
def test_an_encoder_for_images_of_one_size_is_refused(build) -> None:
    with (
        torch.device("meta"),
        pytest.raises(ConfigError, match=r"one size only, as published 224x224.*choose another"),
    ):
        build()


def test_an_encoder_that_is_told_to_take_any_size_is_not_refused() -> None:
    with torch.device("meta"), torch.no_grad():
        options = {"strict_img_size": False}
        net = SmpNet("unet", 2, "tu-swin_tiny_patch4_window7_224", **options).eval()
        assert net(torch.zeros(1, 3, 45, 71)).shape == (1, 2, 45, 71)
