"""Evaluate: a checkpoint goes in, its scores on a split come out."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig
from rich.console import Console
from torch.utils.data import DataLoader

from outtake.config.build_refiner import build_refiner, choose_refine, make_refiner
from outtake.config.evaluate_schema import EvaluateOptions
from outtake.config.evaluation_data import (
    build_eval_data,
    get_scored_label_maps,
    make_baseline_loader,
)
from outtake.config.load_ensemble import (
    Trained,
    load_one_or_several,
    log_left_out_label_maps,
    members_of,
    with_short_side,
)
from outtake.config.program_options import read_options
from outtake.core.device import resolve_device
from outtake.core.files import check_folder, remove_file, replace_text, write_json
from outtake.core.memory import explain_shared_memory
from outtake.core.redact import redact_tree
from outtake.data.datamodule import DataModule
from outtake.data.dataset import SampleTensors
from outtake.data.folds import FOLD_BY_AUTO
from outtake.data.resize import short_side_size
from outtake.evaluation.bootstrap import Bootstrap
from outtake.evaluation.evaluation_loop import EvaluationResult, evaluate_split
from outtake.evaluation.metrics import scores
from outtake.evaluation.sampling_units import SamplingUnits, find_units
from outtake.evaluation.scores_table import print_scores
from outtake.evaluation.summary import detailed_scores, paired_difference
from outtake.inference.predict_logits import open_predict_logits
from outtake.pages.evaluation import page_data
from outtake.pages.html_page import render_page
from outtake.programs.evaluation_folder import (
    ScoredData,
    choose_evaluation_folder,
    describe_scored_data,
)
from outtake.programs.library_warnings import quiet_libraries
from outtake.refine.refiner import Refiner
from outtake.runs.environment import device_name
from outtake.training.distributed.launch_environment import require_single_process
from outtake.training.forward_time import measure_forward

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class _Preparation:
    """All that scoring a label map needs, found and checked before anything is computed."""

    options: EvaluateOptions
    trained: Trained
    data: DataModule
    scored: ScoredData
    loader: DataLoader[SampleTensors]
    baseline: Trained | None
    baseline_loader: DataLoader[SampleTensors] | None
    refine: Mapping[str, Any] | None
    refiner: Refiner | None
    folder: Path
    units: SamplingUnits


def evaluate(cfg: DictConfig) -> Path:
    """Score a checkpoint as ``conf/evaluate.yaml`` says.

    Writes ``metrics.json``, and beside it ``report.html`` unless ``report`` is false. Of a network
    with several label maps each is scored in a folder of its own, unless one is named.

    Returns:
        The path of the first ``metrics.json``.

    Raises:
        OuttakeError: There is no such checkpoint, data or device, or the classes do not agree.
    """
    quiet_libraries()
    require_single_process("outtake evaluate")
    options = read_options(EvaluateOptions, cfg)
    device = resolve_device(options.device)
    prepared = [_prepare(cfg, options, device, options.label_map)]
    further = prepared[0].trained.further_labels
    if options.label_map is None:
        log_left_out_label_maps(prepared[0].trained)
    scored = get_scored_label_maps(cfg, further)
    for name in further if options.label_map is None else ():
        if name not in scored:
            log.info("label map %s: not scored, these data.further_labels have none", name)
            continue
        if options.baseline:
            log.info("label map %s: scored without the baseline; label_map=%s compares", name, name)
        prepared.append(_prepare(cfg, replace(options, baseline=None), device, name))
    written = [_score(each, device) for each in prepared]
    return written[0]


def _prepare(
    cfg: DictConfig, options: EvaluateOptions, device: torch.device, label_map: str | None
) -> _Preparation:
    trained = _load(options.checkpoint, options, device, "checkpoint", label_map)
    get_scored_label_maps(cfg, trained.further_labels)  # an unknown name is said before any work
    data = build_eval_data(trained, cfg)
    loader = data.eval_loader(options.split)
    report = data.report(options.split)
    units = find_units(
        data.source,
        report.samples,
        report.sample_class_pixels.sum(1) > 0,
        options.bootstrap.group_by,
        str(trained.config.get("fold_by") or FOLD_BY_AUTO),
    )
    baseline = baseline_loader = None
    if options.baseline:
        baseline = _load(options.baseline, options, device, "baseline", label_map)
        baseline_loader = make_baseline_loader(baseline, trained, cfg, data)
    scored, refine = (
        describe_scored_data(trained, cfg, report),
        choose_refine(options.refine, trained),
    )
    folder = options.output or choose_evaluation_folder(trained, scored, options, refine, baseline)
    if options.output is None and not scored.of_training:
        log.info(
            "%s %s has other files than the training: its evaluation has a folder of its own",
            scored.name, options.split,
        )  # fmt: skip
    if label_map is not None and (options.output is None or options.label_map is None):
        folder = folder.with_name(f"{folder.name}-{label_map}")
    check_folder(folder)
    return _Preparation(
        options=options,
        trained=trained,
        data=data,
        scored=scored,
        loader=loader,
        baseline=baseline,
        baseline_loader=baseline_loader,
        refine=refine,
        refiner=make_refiner(refine),
        folder=folder,
        units=units,
    )


def _score(prepared: _Preparation, device: torch.device) -> Path:
    """Score one label map; return its ``metrics.json``."""
    trained, data, options = prepared.trained, prepared.data, prepared.options
    bootstrap = Bootstrap(options.bootstrap.resamples, seed=options.bootstrap.seed)
    evaluation = _evaluate(
        trained, prepared.loader, device, options, prepared.refiner, with_details=options.report
    )
    report = data.report(options.split)
    scored = prepared.scored
    record = make_metrics_record(
        trained, evaluation, scored.name, options.split, report.fingerprint
    )
    record["data_of_training"] = scored.of_training
    record["network"] = _passes(trained, options) | {"short_side": trained.short_side}
    record["refine"] = prepared.refine
    record |= _measure_forward(trained, data.eval_image_size(options.split), device)
    classes, ids = trained.labels.names, [sample.id for sample in report.samples]
    if options.report or prepared.baseline is not None:
        record["bootstrap"] = prepared.units.describe(bootstrap)
    if options.report:
        record |= detailed_scores(evaluation.evaluator, classes, ids, bootstrap, prepared.units)
    if prepared.baseline is not None and prepared.baseline_loader is not None:
        baseline = prepared.baseline
        own = build_refiner(None, baseline)
        other = _evaluate(
            baseline, prepared.baseline_loader, device, options, own, with_details=False
        )
        record["paired"] = {
            "baseline": baseline.describe()["checkpoint"],
            "baseline_sha256": baseline.sha256,
            **paired_difference(
                evaluation.evaluator, other.evaluator, classes, bootstrap, prepared.units
            ),
        }
    record = redact_tree(record)
    page_file = None
    if options.report:
        page = page_data(record, evaluation.evaluator.best_worst, trained.labels, redact_tree(ids))
        page_file = render_page(page["title"], "evaluation", page)
    target = prepared.folder / "metrics.json"
    _write_results(target, record, page_file)
    print_scores(record, Console())
    print(f"written to {target}" + (" and report.html" if options.report else ""))
    return target


def _write_results(target: Path, record: Mapping[str, Any], page: str | None) -> None:
    """Write the record, and the page beside it; an earlier page never stays beside another record.

    Raises:
        OutputError: The place cannot be written.
    """
    place = target.with_name("report.html")
    # First of all, so that whatever ends this in between leaves no page of another evaluation.
    if remove_file(place) and page is None:
        log.info("removed %s, the page of an earlier evaluation (report=false)", place)
    write_json(target, record)
    if page is not None:
        replace_text(place, page)


def _load(
    checkpoint: str | list[str],
    options: EvaluateOptions,
    device: torch.device,
    key: str,
    label_map: str | None,
) -> Trained:
    loaded = load_one_or_several(checkpoint, device, key, label_map)
    return with_short_side(loaded, options.network.short_side)


def _measure_forward(
    trained: Trained, size: tuple[int, int], device: torch.device
) -> dict[str, Any]:
    """Return the time of one image through the network; of an ensemble, through all of them."""
    found = [
        measure_forward(
            member.task, short_side_size(*size, member.short_side), member.channels, device
        )
        for member in members_of(trained)
    ]
    how = found[0]["forward"] | {"device": device_name(device), "networks": len(found)}
    return {"forward_ms": sum(each["forward_ms"] for each in found), "forward": how}


def _evaluate(
    trained: Trained,
    loader: DataLoader[SampleTensors],
    device: torch.device,
    options: EvaluateOptions,
    refiner: Refiner | None,
    *,
    with_details: bool,
) -> EvaluationResult:
    with explain_shared_memory("workers"):
        return evaluate_split(
            open_predict_logits(trained, device, **_passes(trained, options), refiner=refiner),
            trained.labels,
            loader,
            device,
            with_details=with_details,
        )


def _passes(trained: Trained, options: EvaluateOptions) -> dict[str, Any]:
    return options.network.passes(of_one_clip=trained.clip is not None)


def make_metrics_record(
    trained: Trained, evaluation: EvaluationResult, data: str, split: str, fingerprint: str
) -> dict[str, Any]:
    """Return the record of ``metrics.json``."""
    return {
        **trained.describe(),
        "data": data,
        "split": split,
        **({} if trained.label_map is None else {"label_map": trained.label_map}),
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
