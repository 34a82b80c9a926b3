"""What ``conf/train.yaml`` may say, and what ``find=`` adds to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from outtake.config.program_options import DataOptions, PathOptions, Positive, Seed
from outtake.config.schema import Form, Node, NotEmpty, Number, OtherKeys
from outtake.core.errors import ConfigError
from outtake.training.parameter_groups import DEFAULT_GROUP, ParameterGroup, ParameterOptions


@dataclass(frozen=True, kw_only=True)
class TrainerOptions:
    """What is checked of Lightning's Trainer here; it knows its other arguments itself."""

    max_epochs: Annotated[int | None, Number(-1)] = None
    max_steps: Annotated[int, Number(-1)] = -1
    gradient_clip_val: Annotated[float | None, Number(0)] = None
    accumulate_grad_batches: Positive = 1
    profiler: Any = None
    deterministic: Any = False
    others: Annotated[Mapping[str, Any], OtherKeys()]

    def __post_init__(self) -> None:
        for key, number in (("max_epochs", self.max_epochs), ("max_steps", self.max_steps)):
            if number == 0:
                raise ConfigError(
                    f"trainer.{key}=0: nothing would be trained; must be at least 1, or -1 for no "
                    "limit"
                )


Patterns = Annotated[
    str | list[str], NotEmpty(), Form("a name such as encoder, a pattern such as *.bias, or a list")
]


@dataclass(frozen=True, kw_only=True)
class GroupOptions:
    """A group of weights with a rate or weight decay of its own."""

    match: Patterns
    lr_scale: Annotated[float, Number(0)] = 1.0
    weight_decay: Annotated[float | None, Number(0)] = None


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """One run of ``outtake train``. Keys that are none of these are the user's own, to refer to."""

    name: str
    seed: Seed
    channels_last: bool
    checkpoint_every_n_steps: Annotated[int | None, Number(1)]
    init_from: Annotated[
        str | Annotated[Mapping[str, str], NotEmpty()] | None,
        Form("a path, or one for each member of model=late_fusion, as {image: PATH}, or null"),
    ]
    budget_s: Annotated[float | None, Number(above=0, unit="seconds")]
    objective: str
    folds: Annotated[int | None, Number(2)]
    fold: Annotated[int | None, Number(0)]
    fold_by: str
    resume: str | None
    reproduce: str | None
    tags: Annotated[list[str], Form("a list of words, as [baseline,long]")]
    group: str | None
    note: str | None
    hide: bool
    paths: PathOptions
    model: Node
    normalize: Node
    data: DataOptions
    augment: Node | None = None
    loss: Node
    supervision: Node | None = None
    metrics: Mapping[str, Node | None] | None = None
    optimizer: Node
    scheduler: Node | None = None
    freeze: Annotated[list[str], Form("a list of names or patterns, as in freeze=[encoder]")]
    unfreeze_epoch: Annotated[int | None, Number(1)]
    parameter_groups: Mapping[str, GroupOptions | None]
    decay_norms_and_biases: bool
    trainer: TrainerOptions
    callbacks: Mapping[str, Node | None] | None = None
    logger: Mapping[str, Node | None] | None = None
    find: Node | None = None
    others: Annotated[Mapping[str, Any], OtherKeys()]

    def __post_init__(self) -> None:
        if self.fold is not None and self.fold >= (self.folds or 0):
            meaning = f"folds={self.folds} has 0 to {self.folds - 1}" if self.folds else "of what?"
            raise ConfigError(f"fold={self.fold}: {meaning}; as in folds=5 fold=2")
        if self.trainer.max_epochs == self.trainer.max_steps == -1:
            self._check_endless()
        if self.unfreeze_epoch is not None and not self.freeze:
            raise ConfigError(
                f"unfreeze_epoch={self.unfreeze_epoch}: nothing is frozen; name what is until "
                "then, as in freeze=[encoder]"
            )
        if DEFAULT_GROUP in self.parameter_groups:
            raise ConfigError(
                f"parameter_groups.{DEFAULT_GROUP}: so the weights of no other group are called; "
                "choose another name"
            )

    def _check_endless(self) -> None:
        """Refuse what needs the length of a run that has none."""
        ema = (self.callbacks or {}).get("ema") or {}
        means = [
            name
            for name, node in (self.callbacks or {}).items()
            if node and str(node.get("_target_")).endswith(".StochasticWeightAveraging")
        ]
        for needed, what, instead in (
            (self.scheduler, "a schedule of the learning rate", "scheduler=null"),
            (
                (self.supervision or {}).get("teacher_window_share"),
                "a teacher that averages over a share of the steps",
                "supervision.teacher_window_share=0",
            ),
            (
                ema.get("window_share") and ema.get("decay") is None,
                "an average over a share of the steps",
                "callbacks.ema.decay=0.999",
            ),
            (
                means,
                "a mean of the weights of the last epochs",
                f"callbacks.{means[0]}=null" if means else "",
            ),
        ):
            if needed:
                raise ConfigError(
                    f"trainer.max_epochs=-1: {what} needs the run's length; set trainer.max_epochs "
                    f"or +trainer.max_steps, or {instead}"
                )

    def parameter_options(self) -> ParameterOptions:
        """Return which weights are trained, and with what rate and weight decay."""
        groups = (
            ParameterGroup(name, _as_tuple(group.match), group.lr_scale, group.weight_decay)
            for name, group in self.parameter_groups.items()
            if group is not None
        )
        return ParameterOptions(
            tuple(self.freeze), self.unfreeze_epoch, tuple(groups), self.decay_norms_and_biases
        )


def _as_tuple(match: str | list[str]) -> tuple[str, ...]:
    return (match,) if isinstance(match, str) else tuple(match)


@dataclass(frozen=True, kw_only=True)
class FindRateOptions:
    """``find=lr``: the range test of the learning rate."""

    kind: Literal["lr"]
    lowest: Annotated[float, Number(above=0)]
    highest: Annotated[float, Number(above=0)]
    steps: Annotated[int, Number(10, 100_000)]
    output: Path

    def __post_init__(self) -> None:
        if self.highest <= self.lowest:
            raise ConfigError(
                f"find.highest={self.highest}: must be above find.lowest={self.lowest}"
            )


@dataclass(frozen=True, kw_only=True)
class FindBatchSizeOptions:
    """``find=batch_size``: the largest batch that fits."""

    kind: Literal["batch_size"]
    highest: Positive
    steps: Annotated[int, Number(2)]
    memory_share: Annotated[float, Number(above=0, most=1)]
