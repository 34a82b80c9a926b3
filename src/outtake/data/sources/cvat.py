"""CVAT's own export, "CVAT for images 1.1": one XML file with the images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from outtake.annotations.annotated_shapes import Shape
from outtake.annotations.cvat_xml import CvatImage, cvat_images
from outtake.annotations.parse_errors import name_parse_errors
from outtake.annotations.xml_tree import parse_xml
from outtake.core.errors import DataRootError, UnreadableImageError
from outtake.data.foreign_names import find_file, to_id, to_slashes
from outtake.data.list_pictures import list_other_pictures
from outtake.data.source import SPLITS, Sample
from outtake.data.sources.polygon_source import PolygonSource

_DEFAULT_SUBSETS = {"default", ""}
# Of pictures that CVAT shows beside those that are annotated.
_CONTEXT_FOLDER = "related_images"


class Cvat(PolygonSource):
    """Polygons, boxes, ellipses and masks of CVAT.

    Layout: ``root/annotations.xml`` with ``root/images/NAME``, or with ``root/images/SUBSET/NAME``.
    An image's ``subset`` is its split (``Train``, ``Validation``, ``Test``); without one all
    are ``train``. Objects of a higher ``z_order`` lie on top.

    Args: As for :class:`PolygonSource`.

    Raises:
        DataRootError: ``root`` is not a folder, or holds no such file.
        UnreadableImageError: The file is not of this format.
    """

    name = "cvat"

    def class_names(self) -> Sequence[str]:
        """Return the labels of the task in their order, or those of the objects."""
        path = self.root / "annotations.xml"
        if not path.is_file():
            raise DataRootError(f"{self.root} has no annotations.xml: export CVAT for images 1.1")
        with name_parse_errors(path, UnreadableImageError, "export it again"):
            tree = parse_xml(path.read_bytes())
            images = cvat_images(tree)
            if not images:
                raise ValueError("it has no images: export CVAT for images 1.1")
            self._images: dict[str, CvatImage] = {
                f"{each.subset}/{each.name}": each for each in images
            }
            if len(self._images) < len(images):
                raise ValueError(f"{len(images) - len(self._images)} images are listed twice")
        self._say_what_has_no_area(path)
        self._say_what_is_unlisted()
        others = [each.name for each in images if _split_of(each) is None]
        self.say_some(others, "images are of a subset that is no split and are left out", path)
        named = [
            str(each.findtext("name"))
            for each in tree.iter("label")
            if each.find("name") is not None
        ]
        drawn = {str(e.get("label")) for image in images for e in image.element}
        return list(dict.fromkeys(named)) or sorted(drawn)

    def stored_samples(self, split: str) -> list[Sample] | None:
        """Return the images of a split."""
        chosen = {key: each for key, each in self._images.items() if _split_of(each) == split}
        if not chosen:
            return None
        return [
            Sample(
                to_id(each.name),
                str(self._find_image(each)),
                f"{self.root / 'annotations.xml'}#{key}",
            )
            for key, each in chosen.items()
        ]

    def read_shapes(self, sample: Sample, size: tuple[int, int]) -> Sequence[Shape]:
        """Return what is drawn on an image; points and lines have no area."""
        image = self._image_of(sample)
        self.check_size(sample, image.size, size)
        return image.shapes()

    def record_of(self, sample: Sample) -> bytes:
        """Return the part of the file that describes an image."""
        return ElementTree.tostring(self._image_of(sample).element)

    def _image_of(self, sample: Sample) -> CvatImage:
        return self._images[sample.mask.removeprefix(f"{self.root / 'annotations.xml'}#")]

    def _find_image(self, image: CvatImage) -> Path:
        images = self.root / "images"
        places = (images / image.subset, images, self.root)
        found = (find_file(place, image.name) for place in places)
        return next(filter(None, found), places[0] / to_slashes(image.name))

    def _say_what_is_unlisted(self) -> None:
        folder = self.root / "images" if (self.root / "images").is_dir() else self.root
        listed = {self._find_image(each) for each in self._images.values()}
        others = list_other_pictures(folder, listed, beside=folder == self.root)
        unlisted = [name for name in others if _CONTEXT_FOLDER not in Path(name).parts]
        self.say_some(unlisted, "images are not in annotations.xml and are left out", folder)

    def _say_what_has_no_area(self, path: Path) -> None:
        found = {each.name: each.count_without_area() for each in self._images.values()}
        if count := sum(found.values()):
            first = next(name for name, number in found.items() if number)
            text = "points and lines have no area and are not drawn"
            self.say(f"{path}: {count} {text} (the first: in {first})", path)


def _split_of(image: CvatImage) -> str | None:
    """Return the split that a subset is, as ``val`` of Validation; None for one of another name."""
    subset = image.subset.lower()
    if subset in _DEFAULT_SUBSETS:
        return "train"
    return next((split for split in SPLITS if subset.startswith(split)), None)
