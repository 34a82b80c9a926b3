"""What the configs of several programs have in common, and those of the small programs say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from omegaconf import DictConfig

from outtake.config.instantiate import resolve_config
from outtake.config.schema import Form, Node, NotEmpty, Number, Schema, parse
from outtake.config.shared_schema import Checkpoints

Seed = Annotated[int, Number(0, 2**32 - 1)]
Positive = Annotated[int, Number(1)]


def read_options(schema: type[Schema], cfg: DictConfig) -> Schema:
    """Resolve a composed config and check it against a schema.

    Raises:
        ConfigError: The first key that is unknown, missing, or has a value that is not allowed.
    """
    return parse(schema, resolve_config(cfg))


@dataclass(frozen=True, kw_only=True)
class PathOptions:
    """Where this machine keeps data sets and runs."""

    data: Path
    runs: Path


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """A data set and its loaders: the keys below ``source`` are arguments of the data module.

    With ``overfit_samples`` the first training samples take the place of every split.
    """

    name: str
    root: str | None
    source: Node
    batch_size: Positive
    eval_batch_size: Positive
    workers: Annotated[int, Number(0, unit="processes")]
    cache: bool
    cache_limit_mib: Annotated[int, Number(0)]
    cache_folder: str | None
    short_side: Annotated[int | None, Number(1, unit="pixels")]
    eval_short_side: Annotated[int | None, Number(1, unit="pixels")]
    crop: Annotated[
        tuple[int, int] | None, Number(1), Form("[height,width] in pixels, as [160,224], or null")
    ]
    focus: Annotated[float, Number(0, 1)]
    focus_classes: Annotated[
        tuple[str, ...] | None,
        NotEmpty(),
        Form("a list of names of classes, as [pole,bicyclist], or null"),
    ]
    rare_class_temperature: Annotated[float | None, Number(1e-4)]
    samples_per_epoch: Annotated[int | None, Number(1)]
    further_inputs: Node | None = None
    further_labels: Node | None = None
    overfit_samples: Annotated[int | None, Number(1)] = None
    labelled_share: Annotated[
        float | str | None, Form("a number or a fraction of train, as 0.125 or 1/8, or null")
    ] = None
    unlabelled: str | None = None
    unlabelled_batch_size: Annotated[int | None, Number(1)] = None

    @property
    def file_stem(self) -> str:
        """The name of what is written about the data set: two folders of one kind have two."""
        folder = "" if self.root is None else Path(self.root).resolve().name
        return self.name if folder in ("", self.name) else f"{self.name}-{folder}"


@dataclass(frozen=True, kw_only=True)
class SoupOptions:
    """One run of ``outtake soup``."""

    checkpoint: Checkpoints
    output: Path
    method: Literal["uniform", "greedy"]
    batchnorm: Literal["recompute", "average"]
    batches: Positive
    data: Node
    workers: Annotated[int | None, Number(0, unit="processes")]
    device: str
    paths: PathOptions


@dataclass(frozen=True, kw_only=True)
class VerifyOptions:
    """One run of ``outtake verify``."""

    seed: Seed
    paths: PathOptions
    data: DataOptions
    output: Path | None
    report: bool
    examples: Annotated[int, Number(0, unit="pictures of each kind of defect")]
    fail_on: Literal["error", "warning", "never"]


@dataclass(frozen=True, kw_only=True)
class PackOptions:
    """One run of ``outtake pack``."""

    seed: Seed
    paths: PathOptions
    data: DataOptions
    output: Path | None
    shard_mib: Annotated[int, Number(1, unit="MiB")]


@dataclass(frozen=True, kw_only=True)
class PreviewOptions:
    """One run of ``outtake preview``."""

    seed: Seed
    paths: PathOptions
    data: DataOptions
    augment: Node | None = None
    split: Literal["train", "val", "test"]
    samples: Positive
    variants: Annotated[int, Number(0, 12, unit="augmented pictures of each sample")]
    width: Annotated[int, Number(32, 2000, unit="pixels")]
    output: Path | None


@dataclass(frozen=True, kw_only=True)
class WatchOptions:
    """One run of ``outtake watch``."""

    paths: PathOptions
    runs: Annotated[str | list[str], NotEmpty(), Form("a folder, or a list of folders")]
    port: Annotated[int, Number(0, 65_535)]
    interval_s: Annotated[float, Number(0.2, 3600, unit="seconds")]
    hidden: bool
    keys: Annotated[list[str], NotEmpty(), Form("a list of metrics, as in [train/loss,val/miou]")]


@dataclass(frozen=True, kw_only=True)
class StudioLimits:
    """How much may be sent to the studio."""

    upload_mib: Annotated[int, Number(1, unit="MiB")]
    import_mib: Annotated[int, Number(1, 4096, unit="MiB")]


@dataclass(frozen=True, kw_only=True)
class StudioOptions:
    """One run of ``outtake studio``."""

    input: str | None
    project: Path | None
    classes: Annotated[list[str], NotEmpty(), Form("a list of names, the background first")]
    roots: Annotated[list[Path], NotEmpty(), Form("a list of folders")]
    limits: StudioLimits
    host: str
    allow_remote: bool
    host_names: Annotated[list[str], Form("a list of names and addresses of this machine")]
    port: Annotated[int, Number(0, 65_535)]
    open: bool


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """One run of ``outtake export``."""

    checkpoint: Checkpoints
    output: Path | None
    label_map: str | None
    licence: str | None
    refine: Node
    onnx: Annotated[
        tuple[int, int] | None,
        Number(1),
        Form("[height,width] in pixels, as in onnx=[360,480], or null"),
    ]
    paths: PathOptions


@dataclass(frozen=True, kw_only=True)
class ObjectiveOptions:
    """One value that a sweep maximises or minimises."""

    metric: str
    direction: Literal["maximize", "minimize"]
    worst: float  # the value of a trial that failed, where there are several objectives


OptunaClass = Annotated[str | Node | None, Form("a name, or a group of kind and arguments")]


@dataclass(frozen=True, kw_only=True)
class SweepOptions:
    """One run of ``outtake sweep``; the search space is checked where it is read."""

    name: str | None
    n_trials: Positive
    n_jobs: Positive
    space: Node
    fixed: list[str] | None
    objectives: Mapping[str, ObjectiveOptions | None]
    sampler: OptunaClass
    pruner: OptunaClass
    seed: Seed
    storage: str
    gpus: Annotated[Literal["auto"] | list[str], Form("auto, or a list of ids such as [0,1]")]
    gpus_per_trial: Annotated[float, Number(above=0)]
    threads: Annotated[int | Literal["auto"] | None, Number(1)]
    retries: Annotated[int, Number(0)]
    timeout_s: Annotated[float | None, Number(above=0, unit="seconds")]
    give_up_after: Positive
    command: list[str] | None
    export_wandb: Path | None
    paths: PathOptions
