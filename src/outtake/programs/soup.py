"""Soup: checkpoints of one architecture go in, one with the mean of their weights comes out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf, open_dict

from outtake.config.build_data import build_data
from outtake.config.evaluation_data import build_eval_data
from outtake.config.load_ensemble import load_one_or_several, members_of
from outtake.config.load_trained import read_checkpoint_or_archive
from outtake.config.program_options import SoupOptions, read_options
from outtake.config.trained_model import TrainedModel
from outtake.core.device import resolve_device
from outtake.core.errors import CheckpointError, ConfigError, OutputError
from outtake.core.files import check_folder, write_json
from outtake.data.datamodule import DataModule
from outtake.evaluation.evaluation_loop import evaluate_split
from outtake.evaluation.metrics import scores
from outtake.programs.library_warnings import quiet_libraries
from outtake.training.average_weights import average_states, choose_greedily, find_difference
from outtake.training.batchnorm_statistics import list_batchnorm, measure_batchnorm
from outtake.training.checkpoint_files import save_checkpoint
from outtake.training.task import SegmentationTask


def soup(cfg: DictConfig) -> Path:
    """Average the weights of checkpoints as ``conf/soup.yaml`` says.

    Beside the checkpoint, ``NAME.json`` says what went in.

    Returns:
        The path of the new checkpoint.

    Raises:
        OuttakeError: The networks are not of one architecture, classes or input; the data that is
            needed is not there; or the output exists.
    """
    quiet_libraries()
    options = read_options(SoupOptions, cfg)
    output, device = options.output, resolve_device(options.device)
    _check_output(output)
    trained = load_one_or_several(options.checkpoint, device)
    members = members_of(trained)
    _check_same_kind(members)
    task = members[0].task
    states = [{k: v.clone() for k, v in each.task.state_dict().items()} for each in members]
    train_data = _find_train_data(task, members[0], cfg, options)
    mean = _MeanNetwork(task, states, device, options, train_data)
    kept, found = list(range(len(members))), dict[str, Any]()
    if options.method == "greedy":
        kept, found = mean.choose(build_eval_data(trained, _for_val(cfg)).eval_loader("val"))
    seen = mean.average(kept)
    record = {
        "method": options.method,
        "batchnorm": options.batchnorm if list_batchnorm(task) else None,
        "batches": seen,
        "members": [_describe(members[place]) for place in kept],
        "left_out": [_describe(each) for n, each in enumerate(members) if n not in kept],
        **found,
    }
    checkpoint = {
        "outtake": read_checkpoint_or_archive(members[0].path)["outtake"]
        # Its config is that of the first, and others may have learned from the first one's val.
        | {"divisions": list(dict.fromkeys(d for place in kept for d in members[place].divisions))},
        "epoch": members[0].epoch,
        "state_dict": {name: tensor.cpu() for name, tensor in task.state_dict().items()},
        "soup": record,
    }
    save_checkpoint(checkpoint, output)
    write_json(output.with_suffix(".json"), record)
    print(f"mean of {len(kept)} of {len(members)} networks" + _describe_score(found))
    print(f"written to {output}, what went in to {output.with_suffix('.json').name}")
    return output


class _MeanNetwork:
    """Puts means of weights into a task, and scores them."""

    def __init__(
        self,
        task: SegmentationTask,
        states: Sequence[dict[str, torch.Tensor]],
        device: torch.device,
        options: SoupOptions,
        train_data: DataModule | None,
    ) -> None:
        self._task = task
        self._states = states
        self._device = device
        self._options = options
        self._train_data = train_data

    def average(self, places: Sequence[int]) -> int:
        """Put the mean of some into the task; return on how many batches statistics were measured.

        One network alone keeps its own statistics.
        """
        self._task.load_state_dict(average_states([self._states[place] for place in places]))
        if self._train_data is None or len(places) == 1:
            return 0
        batches = self._train_data.fixed_train_batches(self._options.batches)
        return measure_batchnorm(self._task, batches, self._device)

    def choose(self, loader: Any) -> tuple[list[int], dict[str, Any]]:
        """Choose greedily by the mIoU on ``val``; return the places and the scores."""

        def score(places: Sequence[int]) -> float:
            self.average(places)
            labels = self._task.labels
            done = evaluate_split(self._task.predict, labels, loader, self._device)
            return float(scores(done.evaluator.confusion, labels.names)["miou"])

        alone = [score([place]) for place in range(len(self._states))]
        kept, best = choose_greedily(alone, score)
        return kept, {"val_miou": best, "val_miou_alone": alone}


def _check_output(output: Path) -> None:
    if output.suffix != ".ckpt":
        raise OutputError(f"output={output}: give a name that ends in .ckpt")
    for each in (output, output.with_suffix(".json")):
        if each.exists():
            raise OutputError(f"output={output}: {each} exists; choose another name")
    check_folder(output.parent)


def _check_same_kind(members: Sequence[TrainedModel]) -> None:
    if len(members) < 2:
        raise ConfigError(
            f"checkpoint={members[0].path}: a mean needs at least two, as in checkpoint=[A,B]"
        )
    first = members[0]
    state = first.task.state_dict()
    for member in members[1:]:
        other = member.task.state_dict()
        difference = find_difference(state, other)
        if difference is not None:
            raise CheckpointError(
                f"{first.path} and {member.path} are of different architectures ({difference}); "
                "only weights of one can be averaged: evaluate them as an ensemble instead"
            )
        if first.short_side != member.short_side or any(
            not torch.equal(state[name], other[name])
            for name in state
            if name.startswith("normalize.")
        ):
            raise CheckpointError(
                f"{first.path} and {member.path} see images of other sizes or normalisations; "
                "evaluate them as an ensemble instead"
            )


def _find_train_data(
    task: SegmentationTask, first: TrainedModel, cfg: DictConfig, options: SoupOptions
) -> DataModule | None:
    """Return the training data, if statistics of batch normalisation are to be measured on it."""
    if options.batchnorm == "average" or not list_batchnorm(task):
        return None
    data_cfg = first.config.copy()
    with open_dict(data_cfg):
        data_cfg.paths = cfg.paths
        data_cfg.data = OmegaConf.merge(data_cfg.data, cfg.data)
        data_cfg.data.cache = False
    data = build_data(data_cfg, first.labels, first.sample_range)
    data.report("train")
    return data


def _for_val(cfg: DictConfig) -> DictConfig:
    scored = cfg.copy()
    with open_dict(scored):
        scored.split = "val"
    return scored


def _describe(member: TrainedModel) -> dict[str, Any]:
    return {"checkpoint": str(member.path), "sha256": member.sha256, "epoch": member.epoch}


def _describe_score(found: dict[str, Any]) -> str:
    if not found:
        return ""
    best = max(found["val_miou_alone"])
    return f", val mIoU {found['val_miou']:.4f} (the best alone {best:.4f})"
