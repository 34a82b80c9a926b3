"""The report of a verified data set: its defects with pictures, its classes and its sizes."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np

from outtake.core.errors import OuttakeError
from outtake.core.labels import LabelSpace
from outtake.core.types import Frame
from outtake.data.defects import KINDS, Defect
from outtake.data.inspect_sample import SampleFacts
from outtake.data.inspection import Inspection, count_by_kind
from outtake.data.source import SegmentationSource
from outtake.drawing.fit_picture import fit_picture
from outtake.drawing.label_pictures import colourise
from outtake.pages.encode_pictures import encode_data_uri
from outtake.pages.templates import read_asset, render_template

WIDTH_PX = 240
_MAX_LISTED = 200
_MAX_SIZES = 12


def defects_record(inspection: Inspection) -> dict[str, Any]:
    """Return the contents of ``defects.json``, in plain containers."""
    return {
        "data": inspection.name,
        "samples": len(inspection.facts),
        "errors": inspection.count("error"),
        "warnings": inspection.count("warning"),
        "kinds": dict(count_by_kind(inspection.defects)),
        "classes": class_table(inspection),
        "defects": [
            {
                "kind": each.kind,
                "severity": KINDS[each.kind].severity,
                "split": each.split,
                "where": each.where,
                "text": each.text,
                "mend": KINDS[each.kind].mend,
            }
            for each in inspection.defects
        ],
    }


def render_verification(
    inspection: Inspection, source: SegmentationSource | None, examples: int
) -> str:
    """Return a page that needs no other file, no script and no network.

    Args:
        inspection: What was found.
        source: The data set, from which pictures are read again; None shows none.
        examples: How many pictures of each kind of defect are shown.
    """
    by_id = {(each.split, each.sample.id): each for each in inspection.facts}
    groups = [
        {
            "about": KINDS[kind],
            "count": count,
            "defects": [each for each in inspection.defects if each.kind == kind][:_MAX_LISTED],
            "pictures": _draw_examples(inspection, source, by_id, kind, examples),
        }
        for kind, count in count_by_kind(inspection.defects).items()
    ]
    return render_template(
        "verification.html.jinja",
        style=read_asset("page.css"),
        data=inspection.name,
        samples=len(inspection.facts),
        errors=inspection.count("error"),
        warnings=inspection.count("warning"),
        groups=groups,
        splits=list(inspection.class_pixels()),
        classes=class_table(inspection),
        sizes=[
            {"split": split, "width": size[1], "height": size[0], "count": count}
            for split, found in inspection.sizes().items()
            for size, count in found[:_MAX_SIZES]
        ],
    )


def class_table(inspection: Inspection) -> list[dict[str, Any]]:
    """Return one row for each class: its colour and its share of each split's labelled pixels."""
    labels, pixels = inspection.labels, inspection.class_pixels()
    if labels is None:
        return []
    classes = len(labels.names)
    labelled = {split: max(int(counts[:classes].sum()), 1) for split, counts in pixels.items()}
    holding = {
        split: sum(
            (each.pixels[:classes] > 0).astype(int)
            for each in inspection.facts
            if each.split == split and each.pixels is not None
        )
        for split in pixels
    }
    return [
        {
            "name": name,
            "colour": list(labels.colours[label]),
            "shares": {split: int(pixels[split][label]) / labelled[split] for split in pixels},
            "images": {split: int(np.asarray(holding[split])[label]) for split in pixels},
        }
        for label, name in enumerate(labels.names)
    ]


def _draw_examples(
    inspection: Inspection,
    source: SegmentationSource | None,
    by_id: Mapping[tuple[str, str], SampleFacts],
    kind: str,
    examples: int,
) -> list[dict[str, str]]:
    shown: list[dict[str, str]] = []
    if source is None:
        return shown
    for defect in inspection.defects:
        if len(shown) == examples:
            break
        facts = by_id.get((defect.split, defect.sample)) if defect.sample else None
        if defect.kind != kind or facts is None:
            continue
        pictures = _draw_sample(source, facts, inspection.labels)
        if pictures:
            shown.append({"title": _title(defect), **pictures})
    return shown


def _title(defect: Defect) -> str:
    return f"{defect.split} {defect.sample}"


def _draw_sample(
    source: SegmentationSource, facts: SampleFacts, labels: LabelSpace | None
) -> dict[str, str]:
    drawn: dict[str, Frame] = {}
    with suppress(OuttakeError, OSError):
        image = source.read_image(facts.sample)
        drawn["image"] = image[..., :3] if image.shape[2] >= 3 else np.repeat(image[..., :1], 3, 2)
    with suppress(OuttakeError, OSError):
        mask = source.read_mask(facts.sample)
        drawn["mask"] = colourise(mask, (labels or source.labels).palette())
    return {key: encode_data_uri(fit_picture(each, WIDTH_PX)) for key, each in drawn.items()}
