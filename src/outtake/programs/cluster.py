"""Cluster: pictures go in; which of their pixels belong together comes out."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from omegaconf import DictConfig

from outtake.config.cluster_schema import ClusterConfig
from outtake.config.compose import default_values
from outtake.config.instantiate import resolve_config
from outtake.config.schema import parse
from outtake.core.errors import OutputError, UnreadableImageError
from outtake.core.files import check_folder, replace_text, write_json
from outtake.core.labels import LabelSpace
from outtake.core.progress import progress_bar
from outtake.core.types import Frame, LabelMap
from outtake.data.decode_files import UNREADABLE_ADVICE
from outtake.drawing.label_pictures import save_png
from outtake.pictures.find_pictures import PictureFile, find_pictures
from outtake.pictures.predictor import Predictor
from outtake.pictures.read_picture import read_picture
from outtake.pictures.write_predictions import save_label_map
from outtake.pipeline.interruption import explain_oom, sigterm_as_interrupt
from outtake.programs.library_warnings import quiet_libraries
from outtake.refine.cluster import cluster as cluster_regions
from outtake.refine.contours import contours_to_labelme, find_contours, to_svg
from outtake.refine.edges import find_outline
from outtake.refine.superpixels import find_superpixels

_OUTLINE_COLOUR = (255, 220, 0)
_CONTOUR_SUFFIXES = {"svg": ".svg", "labelme": ".json"}

log = logging.getLogger(__name__)

FindLabels = Callable[[Path], tuple[Frame, LabelMap]]


@dataclass(frozen=True)
class PictureOutputs:
    """Where what is made of one picture goes.

    Attributes:
        labels: Group numbers or class ids, as PNG.
        outlines: The picture with the outlines of its groups.
        contours: The contours; None where none are asked for.
    """

    labels: Path
    outlines: Path
    contours: Path | None

    def paths(self) -> list[Path]:
        """Return all of them."""
        return [path for path in (self.labels, self.outlines, self.contours) if path is not None]


def cluster(cfg: DictConfig) -> Path:
    """Divide pictures as ``conf/cluster.yaml`` says.

    Returns:
        The output folder.

    Raises:
        OuttakeError: The request cannot work, which is found before any work; or not one picture
            could be read.
    """
    quiet_libraries()
    config = parse(ClusterConfig, resolve_config(cfg))
    folder = Path(config.output).expanduser()
    check_folder(folder)
    found = find_pictures(config.input, folder)
    for line in found.notes:
        log.info("%s", line)
    targets = {file: _outputs_of(file, folder, config) for file in found.files}
    if not config.overwrite:
        _refuse_existing(targets.values())
    _warn_of_ignored_keys(config)
    with sigterm_as_interrupt(), explain_oom():
        find_labels, space = _choose_labels(config)
        made = _make_all(targets, find_labels, space, config)
    skipped = len(targets) - made
    count = f"{made} picture{'s' if made != 1 else ''}"
    print(f"{count}{f', {skipped} skipped' if skipped else ''}; written to {folder}")
    return folder


def _outputs_of(file: PictureFile, folder: Path, config: ClusterConfig) -> PictureOutputs:
    contours = None
    if config.contours is not None:
        contours = folder / "contours" / f"{file.name}{_CONTOUR_SUFFIXES[config.contours]}"
    return PictureOutputs(
        folder / "labels" / f"{file.name}.png", folder / "outlines" / f"{file.name}.png", contours
    )


def _refuse_existing(targets: Iterable[PictureOutputs]) -> None:
    for outputs in targets:
        for path in outputs.paths():
            if path.exists():
                raise OutputError(
                    f"{path} exists; name another output, or set overwrite=true to replace it"
                )


def _warn_of_ignored_keys(config: ClusterConfig) -> None:
    given, usual = vars(config), default_values("cluster")
    ignored = [] if config.checkpoint is None else ["groups"]
    ignored += ["regions"] if config.method == "felzenszwalb" else ["least"]
    ignored += [] if config.contours else ["tolerance_px"]
    for key in ignored:
        if given[key] != usual[key]:
            log.warning("%s=%s is not used: %s", key, given[key], _REASONS[key])


_REASONS = {
    "groups": "the network of checkpoint names the regions",
    "regions": "method=felzenszwalb finds as many as there are; least bounds them",
    "least": "it is of method=felzenszwalb; regions says how many others find",
    "tolerance_px": "no contours are asked for; set contours=svg or labelme",
}


def _choose_labels(config: ClusterConfig) -> tuple[FindLabels, LabelSpace]:
    """Return what labels a picture file, and what its labels mean."""
    if config.checkpoint is None:
        digits = len(str(config.groups - 1))
        names = [f"group_{number:0{digits}}" for number in range(config.groups)]
        return lambda path: _group(path, config), LabelSpace.from_names(names)
    predictor = Predictor.from_checkpoint(config.checkpoint, device=config.device, confidence=False)
    return lambda path: _name_regions(path, config, predictor), predictor.label_space


def _group(path: Path, config: ClusterConfig) -> tuple[Frame, LabelMap]:
    image = read_picture(path).for_network(3, None)
    superpixels = find_superpixels(image, config.method, config.regions, config.least)
    return image, cluster_regions(image, superpixels, config.groups).ids.astype(np.uint8)


def _name_regions(
    path: Path, config: ClusterConfig, predictor: Predictor
) -> tuple[Frame, LabelMap]:
    picture = read_picture(path)
    image = picture.for_network(3, None)
    trained = predictor.trained
    labels = predictor(picture.for_network(trained.channels, trained.sample_range)).labels
    superpixels = find_superpixels(image, config.method, config.regions, config.least)
    return image, superpixels.majority(labels, predictor.label_space.ignore_index)


def _make_all(
    targets: Mapping[PictureFile, PictureOutputs],
    find_labels: FindLabels,
    space: LabelSpace,
    config: ClusterConfig,
) -> int:
    """Make what is asked for of each picture and return how many could be read."""
    made, reason = 0, ""
    with progress_bar("Pictures", len(targets)) as bar:
        for file, outputs in targets.items():
            try:
                image, labels = find_labels(file.path)
            except UnreadableImageError as error:
                reason = str(error).removesuffix(UNREADABLE_ADVICE)
                log.warning("skipped %s: %s", file.relative, reason)
            else:
                _write(file, outputs, image, labels, space, config)
                made += 1
            bar.advance(bar.task_ids[0])
    if not made:
        raise UnreadableImageError(f"none of {len(targets)} pictures could be made: {reason}")
    return made


def _write(
    file: PictureFile,
    outputs: PictureOutputs,
    image: Frame,
    labels: LabelMap,
    space: LabelSpace,
    config: ClusterConfig,
) -> None:
    save_label_map(outputs.labels, labels, space)
    drawn = image.copy()
    drawn[find_outline(labels)] = _OUTLINE_COLOUR
    save_png(outputs.outlines, drawn)
    if outputs.contours is None:
        return
    size = (labels.shape[0], labels.shape[1])
    contours = find_contours(labels, config.tolerance_px, space.ignore_index)
    if config.contours == "svg":
        replace_text(outputs.contours, to_svg(contours, size, space.names, space.colours))
        return
    seen_from = os.path.relpath(file.path, outputs.contours.parent)
    write_json(outputs.contours, contours_to_labelme(contours, size, space.names, seen_from))
