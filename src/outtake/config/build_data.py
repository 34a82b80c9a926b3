"""From a composed config to the data and its augmentation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

from omegaconf import DictConfig

from outtake.config.build_unlabelled import build_unlabelled
from outtake.config.instantiate import (
    instantiate,
    instantiate_with_available,
    resolve_config,
    select_entries,
)
from outtake.config.program_options import DataOptions
from outtake.config.schema import parse
from outtake.core.errors import ConfigError
from outtake.core.labels import LabelSpace
from outtake.data.datamodule import DataModule
from outtake.data.folds import FoldSource
from outtake.data.further_inputs import FurtherInput
from outtake.data.further_labels import ChosenLabelMap, FurtherLabelMaps
from outtake.data.mixing import MixingStep
from outtake.data.moved_labels import AugmentationStep
from outtake.data.overfit import FirstSamples
from outtake.data.sample_range import SampleRange
from outtake.data.stacked_inputs import add_further_inputs
from outtake.data.unlabelled import LabelledShare, read_share

# Keys of data that are no arguments of the data module.
_NOT_OF_LOADERS = (
    "name",
    "root",
    "source",
    "overfit_samples",
    "labelled_share",
    "further_inputs",
    "further_labels",
    "unlabelled",
    "unlabelled_batch_size",
)


def build_data(
    cfg: DictConfig,
    trained_labels: LabelSpace | None = None,
    trained_range: SampleRange | None = None,
    trained_inputs: Sequence[FurtherInput] = (),
    label_map: str | None = None,
) -> DataModule:
    """Build the data source, its augmentation and its loaders from ``data`` and ``augment``.

    Args:
        cfg: The config.
        trained_labels: The classes of the network that is to be scored on the data, for sources
            whose masks alone do not tell them.
        trained_range: The range of samples that this network was trained with; None for none.
        trained_inputs: Its further inputs.
        label_map: The further label map that takes the place of the masks; None for none.
    """
    data = parse(DataOptions, resolve_config(cfg.data), "data")
    loaders = {
        each.name: getattr(data, each.name)
        for each in fields(data)
        if each.name not in _NOT_OF_LOADERS
    }
    # As plain containers: Hydra would make a config of a dataclass.
    facts = {"trained_labels": trained_labels, "trained_range": trained_range}
    known = {name: fact.to_dict() for name, fact in facts.items() if fact is not None}
    source = instantiate_with_available(data.source, "data.source", known)
    source = add_further_inputs(source, data.further_inputs, data.root, trained_inputs)
    if data.further_labels:
        maps = FurtherLabelMaps(source, data.further_labels, data.root)
        source = maps if label_map is None else ChosenLabelMap(maps, label_map)
    if cfg.get("folds") and cfg.get("fold") is not None:
        source = FoldSource(source, int(cfg.folds), int(cfg.fold), str(cfg.fold_by))
    if data.overfit_samples:
        source = FirstSamples(source, data.overfit_samples)
    if data.labelled_share is not None:
        source = LabelledShare(source, read_share(data.labelled_share))
    steps, mixing = _build_augmentation(cfg.get("augment"), source.labels)
    unlabelled = build_unlabelled(cfg, data, source)
    return DataModule(
        source,
        steps,
        mixing,
        seed=int(cfg.seed),
        unlabelled=unlabelled,
        **loaders,
    )


def _build_augmentation(
    node: DictConfig | None, labels: LabelSpace
) -> tuple[list[AugmentationStep], list[MixingStep]]:
    """Build the steps and what mixes samples before them, each in the order of the config."""
    if node is None:
        return [], []
    plain = resolve_config(node)
    unknown = sorted(plain.keys() - {"steps", "mix"})
    if unknown:
        raise ConfigError(f"augment.{unknown[0]}: no such config key; allowed are steps and mix")
    known = {"class_names": list(labels.names), "ignore_index": labels.ignore_index}
    mixing = [
        instantiate_with_available(each, f"augment.mix.{name}", known)
        for name, each in select_entries(plain.get("mix"), "augment.mix").items()
    ]
    steps = select_entries(plain.get("steps"), "augment.steps")
    return list(instantiate(steps).values()), mixing
