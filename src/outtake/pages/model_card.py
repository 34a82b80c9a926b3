"""The texts that go with an exported network: the model card and the licence note."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from outtake.core.redact import redact
from outtake.evaluation.metrics import class_metrics, split_metrics
from outtake.pages.templates import render_template

_PACKAGES = ("torch", "pytorch-lightning", "segmentation_models_pytorch", "albumentations", "timm")

Row = Sequence[Any]


@dataclass(frozen=True)
class ModelCard:
    """What a model card tells.

    Attributes:
        name: The name of the exported file, without its ending.
        model: The config node of the network.
        classes: The class names.
        short_side: The short side of the images that the network sees, in pixels.
        metrics: The ``metrics.json`` of an evaluation, or empty.
        summary: The ``summary.json`` of the run, or empty.
        environment: The ``environment.json`` of the run, or empty.
        data: The ``data.json`` of the run, or empty.
        licence: The licence of the weights, in the words of whoever exports them.
        onnx: What the comparison of ``model.onnx`` found; None without one.
        refine: The config of what improves the labels, unless a program is told otherwise; None
            for nothing.
    """

    name: str
    model: Mapping[str, Any]
    classes: Sequence[str]
    short_side: int | None
    metrics: Mapping[str, Any]
    summary: Mapping[str, Any]
    environment: Mapping[str, Any]
    data: Mapping[str, Any]
    licence: str | None
    onnx: str | None
    refine: Mapping[str, Any] | None = None


def render_model_card(card: ModelCard) -> str:
    """Return a model card as Markdown, with secrets hidden."""
    best = (card.summary.get("best") or {}).get("val/miou")
    text = render_template(
        "model_card.md.jinja",
        card=card,
        network=_network_rows(card),
        class_titles=["class", *(metric.title for metric in class_metrics())],
        class_scores=_class_rows(card) if card.metrics.get("iou") else [],
        scores=[(m.title, _format_score(card.metrics.get(m.key))) for m in split_metrics()],
        best=None if best is None else _format_score(best),
        data=_data_rows(card.data) if card.data else [],
        provenance=_provenance_rows(card.summary, card.environment),
    )
    return redact(text)


def render_licence_note(initial_weights: str | None, data: str, licence: str | None) -> str:
    """Return ``LICENCE.md``: what belongs to whom, as far as the run knows.

    Args:
        initial_weights: The name of the pretrained weights, None for a random start.
        data: The name of the data that the network was trained on.
        licence: The licence of the weights, in the words of whoever exports them.
    """
    values = {"initial_weights": initial_weights, "data": data, "licence": licence}
    return redact(render_template("licence.md.jinja", **values))


def _network_rows(card: ModelCard) -> list[Row]:
    plain = [(key, v) for key, v in card.model.items() if not isinstance(v, dict | list)]
    for name, member in (card.model.get("members") or {}).items():
        plain += [(f"{name}: {k}", v) for k, v in member.items() if not isinstance(v, dict | list)]
    plain.append(("short side of the images, pixels", card.short_side or "as they are"))
    if card.refine:
        options = (f"{key}={value}" for key, value in card.refine.items())
        plain.append(("labels refined by", " ".join(options)))
    return [*plain]


def _class_rows(card: ModelCard) -> list[Row]:
    by_metric = [card.metrics.get(metric.key) or {} for metric in class_metrics()]
    return [
        (name, *(_format_score(values.get(name)) for values in by_metric)) for name in card.classes
    ]


def _data_rows(data: Mapping[str, Any]) -> list[Row]:
    rows = [(name, f"{split.get('count')} images") for name, split in data["splits"].items()]
    return [*rows, ("fingerprint (SHA-256)", data.get("fingerprint"))]


def _provenance_rows(summary: Mapping[str, Any], environment: Mapping[str, Any]) -> list[Row]:
    git, installed = environment.get("git") or {}, environment.get("packages") or {}
    hardware = environment.get("hardware") or {}
    rows = [
        ("epochs", summary.get("epochs")),
        ("steps", summary.get("steps")),
        ("parameters", summary.get("parameters")),
        ("outtake", environment.get("outtake")),
        ("revision", git.get("revision")),
        ("uncommitted changes", "yes" if git.get("dirty") else None),
        ("python", environment.get("python")),
        *((name, installed.get(name)) for name in _PACKAGES),
        ("processor", hardware.get("cpu")),
        ("GPU", ", ".join(hardware.get("gpus") or []) or None),
    ]
    return [(key, value) for key, value in rows if value is not None]


def _format_score(value: Any) -> str:
    return "-" if value is None or value != value else f"{float(value):.4f}"
