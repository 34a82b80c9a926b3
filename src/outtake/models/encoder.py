"""Build encoders of segmentation-models-pytorch and timm, and load their weights."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import segmentation_models_pytorch as smp
import timm
import torch
from torch import nn

from outtake.core.errors import ConfigError, WeightsError
from outtake.models.encoder_pixels import (
    TRIED_SIDE_PX,
    convert_to_network,
    find_weights_pixels,
    read_timm_config,
)
from outtake.models.first_filters import fit_filters
from outtake.models.normalisation import PixelScale
from outtake.models.pixel_conversion import run_on_zeros
from outtake.models.plain_encoder import PlainEncoder
from outtake.models.weight_files import PREFIXES, match_names, read_weights, unwrap_names

PLAIN = "plain"
HUB_HOST = "huggingface.co"
CONNECT_TIMEOUT_S = 5.0
_KEY = "model.encoder_weights"
# Where a file has the encoder: alone, or in a network.
_PREFIXES = [before + part for part in ("", "encoder.", "backbone.") for before in PREFIXES]


def make_encoder(
    name: str,
    *,
    in_channels: int = 3,
    weights: str | None = None,
    depth: int = 5,
    pixel_scale: Mapping[str, Any] | None = None,
) -> nn.Module:
    """Build an encoder whose ``forward`` gives one feature map for each stride 1, 2, 4 ... 32.

    Args:
        name: The name of an encoder of segmentation-models-pytorch, or ``tu-`` and that of a timm
            model, or ``plain`` for :class:`outtake.models.plain_encoder.PlainEncoder`.
        in_channels: The number of channels of the images.
        weights: None, ``imagenet`` or the path of a file.
        depth: The number of times that the encoder halves the resolution.
        pixel_scale: See :func:`load_encoder_weights`.

    Raises:
        ConfigError: There is no such encoder, or it takes images of one size only.
        WeightsError: The weights are not available, or do not fit.
    """
    name = find_encoder_name(name)
    if name == PLAIN:
        plain = PlainEncoder(in_channels, depth)
        load_encoder_weights(plain, name, weights, pixel_scale)
        return plain
    try:
        encoder: nn.Module = smp.encoders.get_encoder(
            name, in_channels=in_channels, depth=depth, weights=None
        )
    except Exception as error:  # of any kind: timm fails where it fails
        raise ConfigError(
            f"model.encoder_name={name}: this encoder cannot be built: {error}; choose another"
        ) from error
    check_input_size(encoder, name, in_channels)
    load_encoder_weights(encoder, name, weights, pixel_scale)
    return encoder


def find_encoder_name(name: object) -> str:
    """Return the name of an encoder as smp has it today: some had another one, with ``timm-``.

    Raises:
        ConfigError: There is no such encoder; the message names the closest ones.
    """
    if not isinstance(name, str):
        said = "null" if name is None else name
        raise ConfigError(
            f"model.encoder_name={said}: name an encoder, such as resnet18; {_list_known()}"
        )
    today = name
    if smp.encoders.is_equivalent_to_timm_universal(name):
        today = name.replace("timm-", "tu-tf_" if "mobilenetv3" in name else "tu-")
    if today.startswith("tu-"):
        if timm.is_model(today[3:]):
            _check_tag(name, today[3:])
            return today
        matches = get_close_matches(today[3:], timm.list_models(), n=3)
        close = [f"tu-{match}" for match in matches]
    else:
        known = [PLAIN, *smp.encoders.encoders]
        if name in known:
            return name
        close = get_close_matches(name, known, n=3)
        bare = name.removeprefix("timm-")
        if bare != name and timm.is_model(bare):
            close.insert(0, f"tu-{bare}")
    hint = f" (did you mean {', '.join(close)}?)" if close else ""
    raise ConfigError(f"model.encoder_name={name}: no such encoder{hint}; {_list_known()}")


def _list_known() -> str:
    first = ", ".join(sorted(smp.encoders.encoders)[:6])
    return f"known are {first} ... and tu-<name> of timm"


def _check_tag(name: str, model: str) -> None:
    """Raise a ConfigError if timm has the model, but no weights of the name behind the dot."""
    try:
        timm.get_pretrained_cfg(model)
    except RuntimeError as error:
        architecture = model.partition(".")[0]
        known = [f"tu-{each}" for each in timm.list_pretrained(f"{architecture}.*")]
        raise ConfigError(
            f"model.encoder_name={name}: timm has no such weights of {architecture}; known are "
            f"{', '.join(known) or 'none'}, or tu-{architecture}"
        ) from error


def check_input_size(encoder: nn.Module, name: str, in_channels: int) -> None:
    """Raise a ConfigError if a new encoder of timm takes images of its published size only."""
    config = read_timm_config(encoder)
    if not config.get("fixed_input_size"):
        return
    try:
        run_on_zeros(encoder, in_channels, TRIED_SIDE_PX)
    except (AssertionError, RuntimeError, ValueError) as error:
        height, width = config["input_size"][1:]
        raise ConfigError(
            f"model.encoder_name={name}: this encoder takes images of one size only, as published "
            f"{height}x{width}, and networks here are given any; choose another encoder"
        ) from error


def load_encoder_weights(
    encoder: nn.Module,
    name: str,
    weights: str | None,
    pixel_scale: Mapping[str, Any] | None = None,
) -> None:
    """Load ``imagenet`` weights or a local file into an encoder, in place.

    Layers of a classifier that the encoder does not have are left out; a first convolution made
    for another number of channels is adapted, see :func:`fit_filters`. Where the weights were
    learnt on other pixel values than the network sees, the first convolution is converted.

    Args:
        encoder: The encoder.
        name: Its name, as :func:`find_encoder_name` has it.
        weights: None, ``imagenet`` or the path of a file.
        pixel_scale: The fields of the :class:`outtake.models.normalisation.PixelScale` that the
            network sees; None where there is none, or none is known, which converts nothing.

    Raises:
        WeightsError: The file is missing or not readable, or lacks a layer of the encoder.
    """
    if weights is None:
        return
    path = fetch_imagenet(name) if weights == "imagenet" else Path(weights).expanduser()
    state = unwrap_names(read_weights(path, _KEY))
    if name.startswith("tu-"):
        state = _join_stage_names(state) | state
    own = encoder.state_dict()
    names = match_names(own, state, _PREFIXES)
    found = {key: fit_filters(state[name], own[key]) for key, name in names.items()}
    taken = {key: value for key, value in found.items() if value is not None}
    missing = [key for key in own if key not in taken]
    # Older files lack the counters of seen batches, and nothing depends on them.
    missing = [key for key in missing if not key.endswith("num_batches_tracked")]
    if missing:
        raise WeightsError(
            f"{_KEY}={path} does not fit encoder {name!r}: {len(missing)} of {len(own)} tensors "
            f"are missing or of another shape, the first is {missing[0]!r}; give the weights of "
            "this encoder"
        )
    given = find_weights_pixels(encoder, name, state)
    if given is not None:
        seen = None if pixel_scale is None else PixelScale(**pixel_scale)
        taken |= convert_to_network(
            encoder, name, path, lambda key: state.get(names.get(key, "")), given, seen
        )
    # Not the encoder's own method: smp's rename layers of old files, and some take no strict.
    nn.Module.load_state_dict(encoder, taken, strict=False)


def _join_stage_names(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return tensors as timm names them where it gives the stages of a sequence one by one.

    That is ``stem_0`` for ``stem.0``, behind all that a file may put before the names.
    """
    return {
        prefix + key.removeprefix(prefix).replace(".", "_", 1): value
        for prefix in _PREFIXES
        for key, value in state.items()
        if key.startswith(prefix)
    }


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
