"""From a config to the images without labels that training is given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from omegaconf import DictConfig

from outtake.config.instantiate import instantiate, resolve_config, select_entries
from outtake.config.program_options import DataOptions
from outtake.core.errors import ConfigError
from outtake.data.further_inputs import count_channels, get_further_inputs
from outtake.data.sample_order import derive_seed
from outtake.data.sample_range import get_sample_range
from outtake.data.source import SegmentationSource
from outtake.data.strong_views import StrongViews
from outtake.data.unlabelled import LabelledShare, LabelsSetAside, PictureFolder, UnlabelledSource
from outtake.data.unlabelled_dataset import UnlabelledImages
from outtake.training.supervision.unlabelled_batch import Images


def build_unlabelled(
    cfg: DictConfig, data: DataOptions, source: SegmentationSource
) -> UnlabelledImages | None:
    """Return the images without labels, which are not looked at yet; None where none are used.

    Args:
        cfg: The config.
        data: Its data.
        source: The labelled data set.

    Raises:
        ConfigError: ``supervision`` needs images without labels and there are none, or the other
            way round, or two keys name them.
    """
    supervision: Mapping[str, Any] = resolve_config(cfg.get("supervision")) or {}
    if not uses_unlabelled(supervision):
        if data.unlabelled is not None and "supervision" in cfg:
            raise ConfigError(
                f"data.unlabelled={data.unlabelled}: this supervision has no use for images "
                "without labels; set supervision=unimatch, or supervision=distillation with "
                "supervision.images=both"
            )
        return None
    images = _find_images(data, source)
    if data.crop is None:
        raise ConfigError(
            "data.crop=null: labelled images and those without labels make batches of one size; "
            "set data.crop=[height,width]"
        )
    strong = supervision.get("strong")
    further = count_channels(get_further_inputs(source))
    views = None if strong is None else _build_views(cfg, strong, further)
    return UnlabelledImages(images, data.unlabelled_batch_size, views)


def uses_unlabelled(supervision: Mapping[str, Any]) -> bool:
    """Return whether a ``supervision`` asks for images without labels.

    Raises:
        ConfigError: There is no such kind of images.
    """
    usual = "unlabelled" if "strong" in supervision else "labelled"
    images = supervision.get("images", usual)
    if images not in get_args(Images):
        raise ConfigError(f"supervision.images={images}: allowed are {', '.join(get_args(Images))}")
    return bool(images != "labelled")


def _find_images(data: DataOptions, source: SegmentationSource) -> UnlabelledSource:
    if data.unlabelled is not None:
        if data.labelled_share is not None:
            raise ConfigError(
                f"data.unlabelled={data.unlabelled} and data.labelled_share={data.labelled_share} "
                "both name images without labels; set one of them to null"
            )
        if get_further_inputs(source):
            raise ConfigError(
                f"data.unlabelled={data.unlabelled}: pictures without labels have no further "
                "inputs; set data.further_inputs=null, or data.labelled_share=1/8 to learn from "
                "images of the data set without their labels"
            )
        return PictureFolder(data.unlabelled, source.channels, get_sample_range(source))
    if isinstance(source, LabelledShare):
        return LabelsSetAside(source)
    raise ConfigError(
        "supervision: it learns from images without labels, and there are none; set "
        "data.unlabelled=FOLDER, or data.labelled_share=1/8 to set labels of train aside"
    )


def _build_views(cfg: DictConfig, strong: Mapping[str, Any], further_channels: int) -> StrongViews:
    known = {"steps", "views", "cutmix"}
    if wrong := sorted(set(strong) - known):
        raise ConfigError(f"supervision.strong.{wrong[0]}: no such key; there are steps, views, "
                          "cutmix")  # fmt: skip
    steps = instantiate(select_entries(strong.get("steps"), "supervision.strong.steps")).values()
    seed = derive_seed("unlabelled", int(cfg.seed))
    return StrongViews(
        list(steps),
        strong.get("views", 1),
        strong.get("cutmix", 0.0),
        seed,
        further_channels=further_channels,
    )
