from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional as F

from outtake.core.errors import WeightsError
from outtake.models.encoder import make_encoder


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
