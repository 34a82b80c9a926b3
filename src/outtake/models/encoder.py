"""Build encoders of segmentation-models-pytorch and timm, and load their weights."""

from __future__ import annotations

import os
import pickle
import socket
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import segmentation_models_pytorch as smp
import timm
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from outtake.core.errors import ConfigError, WeightsError
from outtake.models.plain_encoder import PlainEncoder

PLAIN = "plain"
RGB_CHANNELS = 3
HUB_HOST = "huggingface.co"
CONNECT_TIMEOUT_S = 5.0
_PREFIXES = ("module.", "encoder.", "backbone.", "net.encoder.", "model.")


def make_encoder(
    name: str, *, in_channels: int = 3, weights: str | None = None, depth: int = 5
) -> nn.Module:
    """Build an encoder whose ``forward`` gives one feature map for each stride 1, 2, 4 ... 32.

    Args:
        name: The name of an encoder of segmentation-models-pytorch, or ``tu-`` and that of a timm
            model, or ``plain`` for :class:`outtake.models.plain_encoder.PlainEncoder`.
        in_channels: The number of channels of the images.
        weights: None, ``imagenet`` or the path of a file.
        depth: The number of times that the encoder halves the resolution.

    Raises:
        ConfigError: There is no such encoder.
        WeightsError: The weights are not available, or do not fit.
    """
    check_encoder_name(name)
    if name == PLAIN:
        plain = PlainEncoder(in_channels, depth)
        load_encoder_weights(plain, name, weights)
        return plain
    try:
        encoder: nn.Module = smp.encoders.get_encoder(
            name, in_channels=in_channels, depth=depth, weights=None
        )
    except (RuntimeError, ValueError, TypeError) as error:
        raise ConfigError(f"encoder {name!r} cannot be built: {error}") from error
    load_encoder_weights(encoder, name, weights)
    return encoder


def check_encoder_name(name: str) -> None:
    """Raise a ConfigError with the closest names if there is no such encoder."""
    if name.startswith("tu-"):
        if timm.is_model(name[3:]):
            return
        known = timm.list_models()
        close = [f"tu-{match}" for match in get_close_matches(name[3:], known, n=3)]
    else:
        known = [PLAIN, *smp.encoders.encoders]
        if name in known or name.startswith("timm-"):
            return
        close = get_close_matches(name, known, n=3)
    hint = f"did you mean {', '.join(close)}? " if close else ""
    raise ConfigError(
        f"model.encoder_name={name}: no such encoder; {hint}"
        f"Known are {', '.join(sorted(smp.encoders.encoders)[:6])} ... and tu-<name> of timm"
    )


def load_encoder_weights(encoder: nn.Module, name: str, weights: str | None) -> None:
    """Load ``imagenet`` weights or a local file into an encoder, in place.

    Layers of a classifier that the encoder does not have are left out; a first convolution made
    for another number of channels is adapted, see :func:`adapt_channels`.

    Raises:
        WeightsError: The file is missing or not readable, or lacks a layer of the encoder.
    """
    if weights is None:
        return
    path = fetch_imagenet(name) if weights == "imagenet" else Path(weights).expanduser()
    state = read_weights(path)
    own = encoder.state_dict()
    fitted = {key: _fit_tensor(state, key, value) for key, value in own.items()}
    missing = [key for key, value in fitted.items() if value is None]
    # Older files lack the counters of seen batches, and nothing depends on them.
    missing = [key for key in missing if not key.endswith("num_batches_tracked")]
    if missing:
        raise WeightsError(
            f"{path} does not fit encoder {name!r}: {len(missing)} of {len(own)} tensors are "
            f"missing or of another shape, the first is {missing[0]!r}; give the weights of this "
            "encoder in model.encoder_weights"
        )
    encoder.load_state_dict({k: v for k, v in fitted.items() if v is not None}, strict=False)


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """Read a ``.safetensors`` file or a PyTorch state dict; nothing but tensors is unpickled."""
    if not path.is_file():
        raise WeightsError(
            f"model.encoder_weights={path}: no such file; allowed are null, imagenet or a file"
        )
    state: dict[str, Any]
    try:
        if path.suffix == ".safetensors":
            state = load_file(path, device="cpu")
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
        raise WeightsError(f"{path} is not a readable file of weights: {error}") from error
    state = state.get("state_dict", state) if isinstance(state, dict) else {}
    tensors = {k: v for k, v in state.items() if isinstance(v, torch.Tensor)}
    if not tensors:
        raise WeightsError(f"{path} holds no tensors; a state dict is needed")
    return tensors


def fetch_imagenet(name: str) -> Path:
    """Return the file of ImageNet weights, from the hub's cache or else from the network.

    Raises:
        WeightsError: The weights are neither in the cache nor can they be fetched; the message
            names the file and the option.
    """
    repository, revision = _hub_location(name)
    from huggingface_hub import hf_hub_download

    file = "model.safetensors"
    try:
        return Path(hf_hub_download(repository, file, revision=revision, local_files_only=True))
    except Exception:
        address = f"https://{HUB_HOST}/{repository}/resolve/{revision or 'main'}/{file}"
    try:
        _check_network()
        return Path(hf_hub_download(repository, file, revision=revision, etag_timeout=10))
    except Exception as error:
        raise WeightsError(
            f"model.encoder_weights=imagenet: the weights of {name!r} are not on this machine and "
            f"could not be fetched ({type(error).__name__}); fetch {address} elsewhere and set "
            "model.encoder_weights=PATH, or train from scratch with model.encoder_weights=null"
        ) from error


def _hub_location(name: str) -> tuple[str, str | None]:
    if name.startswith("tu-"):
        config = timm.get_pretrained_cfg(name[3:])
        if config is None or not config.hf_hub_id:
            raise WeightsError(f"timm has no pretrained weights for {name[3:]!r}; use null")
        return str(config.hf_hub_id), None
    settings = (
        smp.encoders.encoders[name]["pretrained_settings"]
        if name in (smp.encoders.encoders)
        else {}
    )
    if "imagenet" not in settings:
        known = ", ".join(settings) or "none"
        raise WeightsError(f"encoder {name!r} has no imagenet weights (known: {known}); use null")
    return str(settings["imagenet"]["repo_id"]), str(settings["imagenet"]["revision"])


def _check_network() -> None:
    # The hub's client retries for minutes where packets are dropped: ask once, with a limit.
    if os.environ.get("HF_HUB_OFFLINE", "").lower() in {"1", "true", "yes", "on"}:
        raise ConnectionError("HF_HUB_OFFLINE is set")
    if any(os.environ.get(key) for key in ("HTTPS_PROXY", "https_proxy", "HF_ENDPOINT")):
        return
    socket.create_connection((HUB_HOST, 443), timeout=CONNECT_TIMEOUT_S).close()


def _fit_tensor(
    state: dict[str, torch.Tensor], key: str, target: torch.Tensor
) -> torch.Tensor | None:
    bare = key.removeprefix("model.")
    names = [key, bare, *(prefix + k for prefix in _PREFIXES for k in (key, bare))]
    found = next((state[name] for name in names if name in state), None)
    if found is None or found.shape == target.shape:
        return found
    if found.dim() == target.dim() == 4 and found.shape[0] == target.shape[0]:
        given, wanted = found.shape[1], target.shape[1]
        if found.shape[2:] == target.shape[2:] and given == RGB_CHANNELS:
            return adapt_channels(found, wanted)
    return None


def adapt_channels(filters: torch.Tensor, channels: int) -> torch.Tensor:
    """Return filters (out, C, k, k) for another number of channels.

    Channels behind those of RGB, such as depth, begin at the mean of its filters, which stay as
    they are. One or two channels begin at the mean too, scaled so that the response to a grey image
    stays. Otherwise filters are repeated or cut, and scaled by their number.
    """
    given, mean = filters.shape[1], filters.mean(1, keepdim=True)
    if channels > given >= RGB_CHANNELS:
        return torch.cat([filters, mean.expand(-1, channels - given, -1, -1)], 1)
    if channels < RGB_CHANNELS:
        return mean.expand(-1, channels, -1, -1) * (given / channels)
    repeated = filters[:, [channel % given for channel in range(channels)]]
    return repeated * (given / channels)
