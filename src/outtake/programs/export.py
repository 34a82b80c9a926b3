"""Export: a run goes in, one zip comes out that works on another machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from omegaconf import DictConfig

from outtake.config.build_refiner import choose_refine, make_refiner
from outtake.config.load_ensemble import load_one_or_several, require_one
from outtake.config.load_trained import read_checkpoint_or_archive
from outtake.config.network_arguments import list_initial_weights
from outtake.config.program_options import ExportOptions, read_options
from outtake.config.trained_model import TrainedModel
from outtake.core.errors import ConfigError, OutputError
from outtake.core.files import check_folder
from outtake.core.json_files import read_json_object
from outtake.core.onnx_providers import PROVIDERS
from outtake.core.redact import redact
from outtake.inference.export_onnx import ExportGraph, export_onnx
from outtake.inference.optional_imports import import_optional
from outtake.pages.model_card import ModelCard, render_licence_note, render_model_card
from outtake.programs.export_records import REMEDY, collect_records
from outtake.programs.library_warnings import quiet_libraries
from outtake.training.model_archive import write_archive

_MAX_LOGIT_DIFFERENCE = 1e-3


def export(cfg: DictConfig) -> Path:
    """Write a checkpoint as one zip, as ``conf/export.yaml`` says.

    Returns:
        The path of the zip.

    Raises:
        OuttakeError: There is no such checkpoint, or several are named, the zip cannot be written,
            a record of the run is not JSON, or the network cannot be exported to ONNX.
    """
    quiet_libraries()
    options = read_options(ExportOptions, cfg)
    if options.label_map is not None and options.onnx is None:
        raise ConfigError(
            f"label_map={options.label_map}: the zip holds all label maps, and model.onnx one of "
            "them; name its size too, as in onnx=[360,480]"
        )
    trained = require_one(
        load_one_or_several(options.checkpoint, label_map=options.label_map), "outtake export"
    )
    run = trained.run_folder
    name = trained.path.stem if trained.path.parent == run else run.resolve().name
    output = options.output or run / f"{name}.zip"
    if output.suffix != ".zip":
        raise OutputError(f"output={output}: give a name that ends in .zip")
    if output.exists() and output.samefile(trained.path):
        raise OutputError(f"output={output}: is the checkpoint itself; choose another name")
    check_folder(output.parent)
    refine = choose_refine(options.refine, trained)
    make_refiner(refine)  # what cannot work is said now
    files, onnx_note = {}, None
    if options.onnx is not None:
        files["model.onnx"], onnx_note = make_checked_onnx(trained, options.onnx)
    records = collect_records(run, trained.path, trained.sha256)
    files |= {f"report/{name}": content for name, content in records.items()}
    licence = None if options.licence is None else redact(options.licence)
    card = ModelCard(
        output.stem,
        trained.model_config,
        trained.labels.names,
        short_side=trained.short_side,
        metrics=_parse_json(records.get("metrics.json")),
        summary=_parse_json(records.get("summary.json")),
        environment=read_json_object(run / "environment.json", REMEDY) or {},
        data=_parse_json(records.get("data.json")),
        licence=licence,
        onnx=onnx_note,
        refine=refine,
    )
    files["README.md"] = render_model_card(card).encode()
    data_name = str(trained.config.data.get("name") or "unnamed")
    initial_weights = ", ".join(list_initial_weights(trained.model_config)) or None
    files["LICENCE.md"] = render_licence_note(initial_weights, data_name, licence).encode()
    checkpoint = read_checkpoint_or_archive(trained.path)
    record = {**checkpoint["outtake"], "refine": refine}
    write_archive(output, {**checkpoint, "outtake": record}, files)
    print(f"written to {output}" + (f"; model.onnx: {onnx_note}" if onnx_note else ""))
    return output


def make_checked_onnx(trained: TrainedModel, size: tuple[int, int]) -> tuple[bytes, str]:
    """Export to ONNX for images of (height, width), any number of them, and compare the two.

    Returns:
        The model, from ``images`` uint8 (B, h, w, C) to ``logits`` float32 (B, h, w, classes), and
        a sentence about the comparison.

    Raises:
        ConfigError: The network cannot be exported, or its logits differ from torch's.
    """
    import_optional("onnx", extra="onnx", required_by="onnx=")
    shape = (*size, trained.channels)
    option = f"onnx={list(size)}"
    model = export_onnx(trained.task, shape, option, "choose another size, or export without onnx")
    interface = f"uint8 images (B, {shape[0]}, {shape[1]}, {shape[2]}) to float32 logits"
    try:
        runtime = import_optional("onnxruntime", extra="onnx", required_by="onnx=")
    except ConfigError:
        return model, f"{interface}; not compared with torch, since ONNX Runtime is not installed"
    images = np.random.default_rng(0).integers(0, 256, (2, *shape), np.uint8)
    session = runtime.InferenceSession(model, providers=[PROVIDERS["cpu"]])
    (logits,) = session.run(["logits"], {"images": images})
    with torch.inference_mode():
        expected = ExportGraph(trained.task).eval()(torch.from_numpy(images)).numpy()
    scale = max(1.0, float(np.abs(expected).max()))
    difference = float(np.abs(logits - expected).max()) / scale
    if not difference <= _MAX_LOGIT_DIFFERENCE:
        raise ConfigError(
            f"{option}: ONNX Runtime's logits differ from torch's by {difference:.1e} of "
            f"the largest, more than {_MAX_LOGIT_DIFFERENCE:g}; export without onnx"
        )
    return (
        model,
        f"{interface}; differs from torch by at most {difference:.1e} of the largest logit",
    )


def _parse_json(content: bytes | None) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(content) if content else {}
    return record
