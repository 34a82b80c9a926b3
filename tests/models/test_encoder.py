from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

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
