"""What pixel values the weights of an encoder were learnt on, made to fit those of the network."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import segmentation_models_pytorch as smp
import torch
from torch import nn

from outtake.models.normalisation import IMAGENET_PIXELS, INCEPTION_PIXELS, PixelScale
from outtake.models.pixel_conversion import convert_first_convolutions

TRIED_SIDE_PX = 64
# smp says what its own encoders were trained on only in files beside the weights. Those that are
# not named here saw ImageNet's mean and deviation.
_PIXELS_OF_SMP = {
    "inceptionv4": INCEPTION_PIXELS,
    "inceptionresnetv2": INCEPTION_PIXELS,
    "xception": INCEPTION_PIXELS,
    "timm-tf_efficientnet_lite": INCEPTION_PIXELS,
    "dpn": PixelScale((124.0, 117.0, 104.0), (1 / 0.0167,) * 3),
}
_TOLERANCE = 0.01  # in 0 to 255: a normalisation holds single precision

log = logging.getLogger(__name__)


def read_timm_config(encoder: nn.Module) -> Mapping[str, Any]:
    """Return what timm has published of an encoder; empty for an encoder that is not timm's."""
    # Not by the name: of a name that timm has given up it finds nothing.
    config: Mapping[str, Any] | None = getattr(
        getattr(encoder, "model", None), "pretrained_cfg", None
    )
    return config or {}


def find_weights_pixels(
    encoder: nn.Module, name: str, state: Mapping[str, torch.Tensor]
) -> PixelScale | None:
    """Return the values that the weights of a file were learnt on; None if they are not known.

    A checkpoint of Outtake says so itself. Any other file is taken for the published weights of
    the encoder, or for some that were trained like them.

    Args:
        encoder: The encoder.
        name: Its name, as :func:`outtake.models.encoder.find_encoder_name` has it.
        state: The tensors of the file.
    """
    if any(key.startswith("normalize.") for key in state):
        return _find_pixels_of_checkpoint(state)
    if config := read_timm_config(encoder):
        mean, std = (tuple(255 * each for each in config[key]) for key in ("mean", "std"))
        return PixelScale(mean, std)
    if name not in smp.encoders.encoders:
        return None
    named = (pixels for start, pixels in _PIXELS_OF_SMP.items() if name.startswith(start))
    return next(named, IMAGENET_PIXELS)


def _find_pixels_of_checkpoint(state: Mapping[str, torch.Tensor]) -> PixelScale | None:
    mean, std = state.get("normalize.mean"), state.get("normalize.std")
    if mean is None:
        return None  # each image by its own
    means = mean.flatten()[:3].tolist()
    if std is None:
        return PixelScale(tuple(means), (1.0,) * len(means), bgr=len(means) == 3)
    return PixelScale(
        tuple(255 * each for each in means),
        tuple(255 * each for each in std.flatten()[:3].tolist()),
    )


def convert_to_network(
    encoder: nn.Module,
    name: str,
    path: Path,
    find_tensor: Callable[[str], torch.Tensor | None],
    given: PixelScale,
    own: PixelScale | None,
) -> dict[str, torch.Tensor]:
    """Return the tensors of an encoder that differ for the pixel values that the network sees.

    One line says what was converted, or what to set where that cannot be done.

    Args:
        encoder: The encoder.
        name: Its name.
        path: The file of its weights, for messages.
        find_tensor: Returns the tensor of the file for a name of the encoder, or None.
        given: What the weights were learnt on.
        own: What the network sees; None if there are no such values, or they are not known.
    """
    learnt = f"{path}: these weights of {name} were learnt on pixels of {_describe(given)}"
    if own is None:
        if not _agree(given, IMAGENET_PIXELS):
            log.warning(
                f"{learnt}; a normalisation without a fixed mean and deviation, such as "
                "normalize=per_image, gives others, and the first filters stay as they are; "
                "normalize=default converts them"
            )
        return {}
    if _agree(given, own):
        return {}
    converted = _try_to_convert(encoder, find_tensor, given, own)
    if converted is None:
        log.warning(
            f"{learnt}; normalize gives others, and the first layers of this encoder cannot be "
            f"converted; set normalize=default {_name_keys(given, own)}"
        )
        return {}
    log.info(f"{learnt}; the first filters are converted to those of normalize")
    return converted


def _try_to_convert(
    encoder: nn.Module,
    find_tensor: Callable[[str], torch.Tensor | None],
    given: PixelScale,
    own: PixelScale,
) -> dict[str, torch.Tensor] | None:
    published = read_timm_config(encoder).get("input_size", ())[-1:]
    for side in (TRIED_SIDE_PX, *published):
        try:
            return convert_first_convolutions(encoder, find_tensor, given, own, side)
        except (AssertionError, RuntimeError, ValueError):
            continue  # an encoder of one size only
    return None


def _agree(given: PixelScale, own: PixelScale) -> bool:
    """Return True if two scales are the same for the three colours."""
    if len(own.mean) < len(given.mean) or given.bgr != own.bgr:
        return False
    pairs = zip(given.mean + given.std, own.mean[:3] + own.std[:3], strict=True)
    return all(abs(a - b) < _TOLERANCE for a, b in pairs)


def _describe(scale: PixelScale) -> str:
    return f"mean {_list_shares(scale.mean)} and deviation {_list_shares(scale.std)}"


def _name_keys(given: PixelScale, own: PixelScale) -> str:
    """Return the options of a normalisation that gives what the weights were learnt on."""
    channels = len(own.mean)
    mean, std = (
        (*values, *others[3:]) if channels >= 3 else (sum(values) / len(values),) * channels
        for values, others in ((given.mean, own.mean), (given.std, own.std))
    )
    return f"normalize.mean={_list_shares(mean)} normalize.std={_list_shares(std)}"


def _list_shares(values: Sequence[float]) -> str:
    return f"[{','.join(f'{each / 255:.4g}' for each in values)}]"
