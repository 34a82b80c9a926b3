"""Weights that stay as they are, for good or until an epoch."""

from __future__ import annotations

from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from outtake.training.parameter_groups import ParameterOptions, matches


class FrozenWeights:
    """The frozen weights of a network, and the normalisations whose statistics stay with them.

    A frozen weight has no gradient, so that neither momentum nor weight decay changes it. With
    several processes, which agree beforehand on the gradients that they exchange, weights that are
    unfrozen later have a gradient from the beginning, which is dropped before each step.

    Args:
        net: The network; its frozen weights are changed in place to need no gradient.
        options: What is frozen, and until when.

    Attributes:
        names: The names of the frozen weights in the network.
        until_epoch: The epoch from which on they are trained, None for never.
        is_released: Whether nothing is frozen any more.
    """

    def __init__(self, net: nn.Module, options: ParameterOptions) -> None:
        self.until_epoch = options.unfreeze_epoch
        self.names = frozenset(
            name for name, _ in net.named_parameters() if matches(name, options.freeze)
        )
        self._net, self._patterns = net, options.freeze
        self._drops_gradients = False
        self.is_released = not self.names
        for weight in self._weights():
            weight.requires_grad_(False)

    def prepare(self, world_size: int) -> None:
        """Get ready for training by so many processes."""
        if world_size > 1 and self.until_epoch is not None and not self.is_released:
            self._drops_gradients = True
            for weight in self._weights():
                weight.requires_grad_(True)

    def keep_statistics(self) -> None:
        """Put frozen normalisations into the mode in which their statistics stay."""
        for layer in self.normalisations():
            layer.eval()

    def drop_gradients(self) -> None:
        """Drop the gradients of this step."""
        if self._drops_gradients and not self.is_released:
            for weight in self._weights():
                weight.grad = None

    def release_at(self, epoch: int) -> None:
        """Train the weights from here on, if the epoch has come."""
        if self.is_released or self.until_epoch is None or epoch < self.until_epoch:
            return
        for weight in self._weights():
            weight.requires_grad_(True)
        for layer in self.normalisations():
            layer.train()
        self.is_released = True

    def describe(self) -> str:
        """Return one line."""
        count = sum(weight.numel() for weight in self._weights())
        total = sum(weight.numel() for weight in self._net.parameters())
        until = "" if self.until_epoch is None else f" until epoch {self.until_epoch}"
        layers = len(self.normalisations())
        kept = f", as do the running statistics of {layers} normalisations" if layers else ""
        return (
            f"freeze: {len(self.names)} tensors, {count:,} of {total:,} parameters, stay as they "
            f"are{until}{kept}"
        )

    def normalisations(self) -> list[nn.Module]:
        """Return the layers whose statistics stay as they are; none once weights are trained."""
        if self.is_released:
            return []
        return [
            layer
            for name, layer in self._net.named_modules()
            if isinstance(layer, _NormBase)
            and layer.track_running_stats
            and matches(f"{name}.weight", self._patterns)
        ]

    # Both are found anew each time: processes that train together replace layers and weights.
    def _weights(self) -> list[nn.Parameter]:
        named = self._net.named_parameters() if self.names else ()
        return [weight for name, weight in named if name in self.names]
