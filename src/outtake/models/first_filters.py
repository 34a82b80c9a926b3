"""The first filters of a network, made to fit images of another number of channels."""

from __future__ import annotations

import torch

RGB_CHANNELS = 3


def fit_filters(
    found: torch.Tensor,
    needed: torch.Tensor,
    given_channels: int = RGB_CHANNELS,
    own_channels: int | None = None,
) -> torch.Tensor | None:
    """Return the tensor of a file in the shape that a network needs; None if it does not fit.

    A tensor of that shape is returned as it is, first filters for another number of channels are
    adapted, see :func:`adapt_channels`.

    Args:
        found: The tensor of the file.
        needed: That of the network.
        given_channels: The number of channels that the first filters of the file see.
        own_channels: The number of channels that those of the network see; None for as many as it
            needs.
    """
    if found.shape == needed.shape:
        return found
    if found.dim() != 4 or needed.dim() != 4:
        return None
    channels = needed.shape[1] if own_channels is None else own_channels
    same_kernel = (found.shape[0], *found.shape[2:]) == (needed.shape[0], *needed.shape[2:])
    if not same_kernel or (found.shape[1], needed.shape[1]) != (given_channels, channels):
        return None
    return adapt_channels(found, channels)


def adapt_channels(filters: torch.Tensor, channels: int) -> torch.Tensor:
    """Return filters (out, C, k, k) for another number of channels, in single precision.

    Channels behind those of RGB, such as depth, begin at the mean of its filters, which stay as
    they are. One or two channels begin at the mean too, scaled so that the response to a grey image
    stays. Otherwise filters are repeated or cut, and scaled by their number.
    """
    filters = filters.float()
    given, mean = filters.shape[1], filters.mean(1, keepdim=True)
    if channels > given >= RGB_CHANNELS:
        return torch.cat([filters, mean.expand(-1, channels - given, -1, -1)], 1)
    if channels < RGB_CHANNELS:
        return mean.expand(-1, channels, -1, -1) * (given / channels)
    repeated = filters[:, [channel % given for channel in range(channels)]]
    return repeated * (given / channels)
