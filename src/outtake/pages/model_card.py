"""The text that goes with a network: what it is, how good it is, where it comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from outtake.core.redact import redact

_SCORES = ("miou", "pixel_accuracy", "mean_accuracy", "fwiou", "mean_dice")
_PACKAGES = ("torch", "pytorch-lightning", "segmentation_models_pytorch", "albumentations", "timm")


def render_model_card(
    name: str,
    model: Mapping[str, Any],
    classes: Sequence[str],
    *,
    short_side: int | None,
    metrics: Mapping[str, Any],
    summary: Mapping[str, Any],
    environment: Mapping[str, Any],
    data: Mapping[str, Any],
    licence: str | None,
    onnx: str | None,
) -> str:
    """Write the model card, Markdown.

    Args:
        name: of the run.
        model: its config node.
        classes: names.
        short_side: of the images that the network sees, pixels.
        metrics: ``metrics.json`` of an evaluation, or empty.
        summary: ``summary.json`` of the run, or empty.
        environment: ``environment.json``, or empty.
        data: ``data.json``, or empty.
        licence: under which the weights are given, in the words of who gives them.
        onnx: what was found when ``model.onnx`` was compared, None without one.
    """
    parts = [
        f"# {name}",
        f"A network for semantic segmentation with {len(classes)} classes, trained with Outtake.",
        _usage_section(name, onnx),
        "## Network\n\n" + _table(_network_rows(model, short_side)),
        "## Classes\n\n" + _classes(classes, metrics),
        "## Scores\n\n" + _scores(metrics, summary),
        "## Data\n\n" + _data(data),
        "## Where it comes from\n\n" + _table(_provenance(summary, environment)),
        "## Limits\n\n"
        "It knows the classes above in pictures like those of its data; scores on other pictures, "
        "and for rare classes, may be far lower. Evaluate it on your own before you rely on it: "
        f"`python evaluate.py checkpoint={name}.zip data=folder data.root=PATH`.",
        "## Licence\n\n" + (licence or "Not stated by who exported it. See LICENCE.md."),
    ]
    return redact("\n\n".join(parts) + "\n")


def render_licence_note(model: Mapping[str, Any], data: str, licence: str | None) -> str:
    """Write ``LICENCE.md``: what is whose, as far as the run knows."""
    began = model.get("encoder_weights")
    origin = f"They began as the pretrained weights `{began}`" if began else "They began at random"
    return redact(
        "# Licence\n\n"
        f"Weights: {licence or 'not stated; ask who gave you this file'}.\n\n"
        f"{origin}, and were trained on the data `{data}`. The licences of both may bind what may "
        "be done with the weights; Outtake does not know them.\n\n"
        "Outtake, which reads this file, is under the MIT licence.\n"
    )


def _usage_section(name: str, onnx: str | None) -> str:
    text = (
        "## Use\n\n"
        f"    python evaluate.py checkpoint={name}.zip data=folder data.root=PATH\n"
        f"    python infer_video.py checkpoint={name}.zip input=in.mp4 output=out.mp4 "
        "remove=[CLASS]\n\n"
        "The file is read where it is: weights are safetensors, nothing in it is run."
    )
    return text if onnx is None else f"{text}\n\n`model.onnx`: {onnx}"


def _network_rows(model: Mapping[str, Any], short_side: int | None) -> list[tuple[str, Any]]:
    plain = [(key, value) for key, value in model.items() if not isinstance(value, dict | list)]
    return [*plain, ("short side of the images, pixels", short_side or "as they are")]


def _classes(classes: Sequence[str], metrics: Mapping[str, Any]) -> str:
    if not metrics.get("iou"):
        return ", ".join(classes)
    keys = ("iou", "precision", "recall", "dice")
    rows = [
        [name, *(_format_score((metrics.get(key) or {}).get(name)) for key in keys)]
        for name in classes
    ]
    return _markdown_grid(["class", "IoU", "precision", "recall", "Rng"], rows)


def _scores(metrics: Mapping[str, Any], summary: Mapping[str, Any]) -> str:
    if metrics:
        where = (
            f"{metrics.get('data')} {metrics.get('split')}, {metrics.get('images')} images, one "
        )
        where += "confusion matrix over all pixels."
        return where + "\n\n" + _table([(key, _format_score(metrics.get(key))) for key in _SCORES])
    best = summary.get("best") or {}
    if best.get("val/miou") is not None:
        return f"Best val/miou while training: {_format_score(best['val/miou'])}."
    return "None were recorded."


def _data(data: Mapping[str, Any]) -> str:
    if not data:
        return "Not recorded."
    rows = [(name, f"{split.get('count')} images") for name, split in data["splits"].items()]
    return _table([*rows, ("fingerprint (SHA-256)", data.get("fingerprint"))])


def _provenance(
    summary: Mapping[str, Any], environment: Mapping[str, Any]
) -> list[tuple[str, Any]]:
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


def _table(rows: Sequence[tuple[str, Any]]) -> str:
    return _markdown_grid(["", ""], [[key, str(value)] for key, value in rows])


def _markdown_grid(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _cell(text: str) -> str:
    # It may come out of somebody's config: no markup, and no end of the row.
    text = " ".join(str(text).split())
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("`", "'")


def _format_score(value: Any) -> str:
    return "-" if value is None or value != value else f"{float(value):.4f}"
