"""Evaluate: a checkpoint goes in, its scores on a split come out."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict
from rich.console import Console
from torch.utils.data import DataLoader

from outtake.config.build import build_data
from outtake.config.load_trained import TrainedModel, load_trained
from outtake.core.device import resolve_device
from outtake.core.errors import DataRootError, LabelSpaceError
from outtake.core.files import check_folder, replace_text, write_json
from outtake.core.redact import redact_tree
from outtake.core.validate import check_number
from outtake.data.datamodule import DataModule
from outtake.data.dataset import SampleTensors
from outtake.evaluation.bootstrap import Bootstrap
from outtake.evaluation.evaluation_loop import EvaluationResult, evaluate_split
from outtake.evaluation.metrics import scores
from outtake.evaluation.scores_table import print_scores
from outtake.evaluation.summary import detailed_scores, paired_difference
from outtake.pages.evaluation import page_data
from outtake.pages.html_page import render_page
from outtake.programs.train import quiet_libraries
from outtake.runs.environment import device_name
from outtake.training.distributed.environment import require_single_process
from outtake.training.forward_time import measure_forward


def evaluate(cfg: DictConfig) -> Path:
    """Score a checkpoint as ``conf/evaluate.yaml`` says.

    Writes ``metrics.json``, and beside it ``report.html`` unless ``report`` is false.

    Returns:
        The path of ``metrics.json``.

    Raises:
        OuttakeError: no such checkpoint, data or device, or classes that do not agree.
    """
    quiet_libraries()
    require_single_process("evaluate.py")
    bootstrap = _make_bootstrap(cfg)
    device = resolve_device(str(cfg.device))
    trained = load_trained(cfg.checkpoint, device)
    baseline = load_trained(cfg.baseline, device) if cfg.baseline else None
    data = build_eval_data(trained, cfg)
    split = str(cfg.split)
    loader = data.eval_loader(split)
    baseline_data = None if baseline is None else make_baseline_loader(baseline, trained, cfg, data)
    name = get_data_name(trained, cfg)
    target = Path(cfg.output or _default_output_folder(trained.path, name, split)).expanduser()
    check_folder(target)
    detail, flip = bool(cfg.report), bool(cfg.flip)
    evaluation = evaluate_split(
        trained.task, trained.labels, loader, device, flip=flip, with_details=detail
    )
    record = make_metrics_record(trained, evaluation, name, split, data.report(split).fingerprint)
    record["flip"] = flip
    record |= measure_forward(trained.task, data.eval_image_size(split), trained.channels, device)
    record["forward"]["device"] = device_name(device)
    ids = [pair.id for pair in data.report(split).samples]
    if detail:
        record |= detailed_scores(evaluation.evaluator, trained.labels.names, ids, bootstrap)
    if baseline is not None and baseline_data is not None:
        baseline_evaluation = evaluate_split(
            baseline.task, baseline.labels, baseline_data, device, flip=flip, with_details=False
        )
        record["paired"] = {
            "baseline": str(baseline.path),
            "baseline_sha256": baseline.sha256,
            **paired_difference(
                evaluation.evaluator, baseline_evaluation.evaluator, trained.labels.names, bootstrap
            ),
        }
    record = redact_tree(record)
    write_json(target / "metrics.json", record)
    if detail:
        page = page_data(record, evaluation.evaluator.best_worst, trained.labels, redact_tree(ids))
        replace_text(target / "report.html", render_page(page["title"], "evaluation", page))
    print_scores(record, Console())
    print(f"written to {target / 'metrics.json'}" + (" and report.html" if detail else ""))
    return target / "metrics.json"


def make_baseline_loader(
    baseline: TrainedModel, trained: TrainedModel, cfg: DictConfig, data: DataModule
) -> DataLoader[SampleTensors]:
    """Return the same split for the baseline, at the resolution that it was validated at.

    Raises:
        LabelSpaceError: the baseline's classes are not the same.
        DataRootError: it is not shown the same images.
    """
    baseline_cfg, split = cfg.copy(), str(cfg.split)
    with open_dict(baseline_cfg):
        given = cfg.get("data")
        whole = given is not None and "source" in given
        own = trained.config.data
        baseline_cfg.data = (
            given if whole else own if given is None else OmegaConf.merge(own, given)
        )
    other = build_eval_data(baseline, baseline_cfg)
    if other.report(split).fingerprint != data.report(split).fingerprint:
        raise DataRootError(
            f"baseline={baseline.path} would be scored on other images than {trained.path}; name "
            "the data for both, as in data=folder data.root=PATH"
        )
    return other.eval_loader(split)


def _make_bootstrap(cfg: DictConfig) -> Bootstrap:
    resamples, seed = cfg.bootstrap.resamples, cfg.bootstrap.seed
    check_number("bootstrap.resamples", resamples, 100, whole=True)
    check_number("bootstrap.seed", seed, 0, whole=True)
    return Bootstrap(int(resamples), seed=int(seed))


def build_eval_data(trained: TrainedModel, cfg: DictConfig) -> DataModule:
    """Build the checkpoint's own data, or that which the command line names.

    Raises:
        LabelSpaceError: the data's classes are not the checkpoint's.
    """
    data_cfg = trained.config.copy()
    with open_dict(data_cfg):
        data_cfg.paths = cfg.paths
        if cfg.get("data") is not None:
            is_complete = "source" in cfg.data
            # Without a source, +data.root=PATH only says where the checkpoint's own data is now.
            data_cfg.data = cfg.data if is_complete else OmegaConf.merge(data_cfg.data, cfg.data)
            if is_complete:
                # The network keeps the resolution that it was validated at.
                data_cfg.data.short_side, data_cfg.data.eval_short_side = trained.short_side, None
        data_cfg.data.cache = False
        if cfg.get("workers") is not None:
            data_cfg.data.workers = cfg.workers
        data_cfg.augment = {"steps": {}}
    data = build_data(data_cfg)
    if data.labels.names != trained.labels.names:
        raise LabelSpaceError(
            f"{trained.path} was trained on the classes {', '.join(trained.labels.names)}, the "
            f"data has {', '.join(data.labels.names)}; name data with the same classes"
        )
    if data.channels != trained.channels:
        raise LabelSpaceError(
            f"{trained.path} was trained on {trained.channels} channels, the data has "
            f"{data.channels}"
        )
    return data


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


def get_data_name(trained: TrainedModel, cfg: DictConfig) -> str:
    """Return the name of the data that is scored."""
    named = (cfg.get("data") or {}).get("name") or trained.config.data.get("name") or "data"
    # It becomes a folder, and may come out of somebody's checkpoint.
    return re.sub(r"[^\w-]+", "_", str(named))


def _default_output_folder(checkpoint: Path, name: str, split: str) -> Path:
    run = checkpoint.parent.parent if checkpoint.parent.name == "checkpoints" else checkpoint.parent
    which = "" if checkpoint.stem == "best" else f"-{checkpoint.stem}"
    return run / "evaluation" / f"{name}-{split}{which}"
