"""Evaluate: a checkpoint goes in, its scores on a split come out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig
from rich.console import Console
from torch.utils.data import DataLoader

from outtake.config.evaluation_data import build_eval_data, get_data_name, make_baseline_loader
from outtake.config.load_trained import TrainedModel, load_trained
from outtake.config.program_options import EvaluateOptions, read_options
from outtake.core.device import resolve_device
from outtake.core.files import check_folder, replace_text, write_json
from outtake.core.memory import explain_shared_memory
from outtake.core.redact import redact_tree
from outtake.data.dataset import SampleTensors
from outtake.evaluation.bootstrap import Bootstrap
from outtake.evaluation.evaluation_loop import EvaluationResult, evaluate_split
from outtake.evaluation.metrics import scores
from outtake.evaluation.scores_table import print_scores
from outtake.evaluation.summary import detailed_scores, paired_difference
from outtake.pages.evaluation import page_data
from outtake.pages.html_page import render_page
from outtake.programs.library_warnings import quiet_libraries
from outtake.runs.environment import device_name
from outtake.training.distributed.launch_environment import require_single_process
from outtake.training.forward_time import measure_forward


def evaluate(cfg: DictConfig) -> Path:
    """Score a checkpoint as ``conf/evaluate.yaml`` says.

    Writes ``metrics.json``, and beside it ``report.html`` unless ``report`` is false.

    Returns:
        The path of ``metrics.json``.

    Raises:
        OuttakeError: There is no such checkpoint, data or device, or the classes do not agree.
    """
    quiet_libraries()
    require_single_process("outtake evaluate")
    options = read_options(EvaluateOptions, cfg)
    split, device = options.split, resolve_device(options.device)
    bootstrap = Bootstrap(options.bootstrap.resamples, seed=options.bootstrap.seed)
    trained = load_trained(options.checkpoint, device)
    baseline = load_trained(options.baseline, device) if options.baseline else None
    data = build_eval_data(trained, cfg)
    loader = data.eval_loader(split)
    baseline_data = None if baseline is None else make_baseline_loader(baseline, trained, cfg, data)
    name = get_data_name(trained, cfg)
    target = options.output or _default_output_folder(trained, name, split)
    check_folder(target)
    evaluation = _evaluate(trained, loader, device, options, with_details=options.report)
    record = make_metrics_record(trained, evaluation, name, split, data.report(split).fingerprint)
    record["flip"] = options.flip
    record |= measure_forward(trained.task, data.eval_image_size(split), trained.channels, device)
    record["forward"]["device"] = device_name(device)
    classes, ids = trained.labels.names, [sample.id for sample in data.report(split).samples]
    if options.report:
        record |= detailed_scores(evaluation.evaluator, classes, ids, bootstrap)
    if baseline is not None and baseline_data is not None:
        other = _evaluate(baseline, baseline_data, device, options, with_details=False)
        record["paired"] = {
            "baseline": str(baseline.path),
            "baseline_sha256": baseline.sha256,
            **paired_difference(evaluation.evaluator, other.evaluator, classes, bootstrap),
        }
    record = redact_tree(record)
    write_json(target / "metrics.json", record)
    if options.report:
        page = page_data(record, evaluation.evaluator.best_worst, trained.labels, redact_tree(ids))
        replace_text(target / "report.html", render_page(page["title"], "evaluation", page))
    print_scores(record, Console())
    written = f"written to {target / 'metrics.json'}"
    print(written + (" and report.html" if options.report else ""))
    return target / "metrics.json"


def _evaluate(
    trained: TrainedModel,
    loader: DataLoader[SampleTensors],
    device: torch.device,
    options: EvaluateOptions,
    *,
    with_details: bool,
) -> EvaluationResult:
    with explain_shared_memory("workers"):
        return evaluate_split(
            trained.task,
            trained.labels,
            loader,
            device,
            flip=options.flip,
            with_details=with_details,
        )


def make_metrics_record(
    trained: TrainedModel, evaluation: EvaluationResult, data: str, split: str, fingerprint: str
) -> dict[str, Any]:
    """Return the record of ``metrics.json``."""
    return {
        "checkpoint": str(trained.path),
        "checkpoint_sha256": trained.sha256,
        "epoch": trained.epoch,
        "data": data,
        "split": split,
        "data_fingerprint": fingerprint,
        "images": evaluation.images,
        "images_per_second": evaluation.images / evaluation.seconds,
        "classes": list(trained.labels.names),
        **scores(evaluation.evaluator.confusion, trained.labels.names),
        "confusion": evaluation.evaluator.confusion.tolist(),
        "speed": {
            "ms_per_image": {
                stage: 1000 * seconds / evaluation.images
                for stage, seconds in evaluation.stage_seconds.items()
            }
        },
    }


def _default_output_folder(trained: TrainedModel, name: str, split: str) -> Path:
    which = "" if trained.path.stem == "best" else f"-{trained.path.stem}"
    return trained.run_folder / "evaluation" / f"{name}-{split}{which}"
