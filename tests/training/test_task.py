"""Validation scores a torchmetrics class from a yaml, and each part of a loss is logged."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from outtake.config.build_metrics import build_metrics
from outtake.config.compose import compose
from outtake.core.errors import ConfigError
from outtake.core.labels import LabelSpace
from outtake.programs.train import train
from tests.small_run import SMALL

LABELS = LabelSpace.from_names(["a", "b"])


def test_a_metric_of_torchmetrics_and_the_parts_of_a_sum_are_logged(tmp_path: Path) -> None:
    classwise = "torchmetrics.classification.MulticlassSpecificity"
    overrides = [
        *SMALL,
        "trainer.max_epochs=1",
        "trainer.log_every_n_steps=1",
        "loss=weighted_sum",
        "metrics=kappa",
        f"+metrics.specificity._target_={classwise}",
        "+metrics.specificity.average=null",
    ]
    train(compose("train", overrides), tmp_path / "run")
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    logged = {key: value for line in lines for key, value in json.loads(line).items()}
    assert {"train/loss_cross_entropy", "train/loss_lovasz"} <= logged.keys()
    (file,) = (tmp_path / "run" / "confusion").glob("*.json")
    record = json.loads(file.read_text())
    confusion = np.array(record["confusion"], float)
    total = confusion.sum()
    chance = (confusion.sum(0) * confusion.sum(1)).sum() / total**2
    kappa = (np.trace(confusion) / total - chance) / (1 - chance)
    assert logged["val/kappa"] == pytest.approx(kappa, abs=1e-6)
    predicted, true = confusion.sum(0)[0], confusion.sum(1)[0]
    negatives = total - predicted - true + confusion[0, 0]
    name = f"val/specificity/{record['classes'][0]}"
    assert logged[name] == pytest.approx(negatives / (total - true), abs=1e-6)


@pytest.mark.parametrize(
    ("name", "target", "message"),
    [
        ("miou", "torchmetrics.classification.MulticlassCohenKappa", "val/miou is logged already"),
        ("layer", "torch.nn.Identity", "Identity is no torchmetrics.Metric"),
        (
            "cm",
            "torchmetrics.classification.MulticlassConfusionMatrix",
            r"metrics.cm gives a tensor",
        ),
        (
            "auroc",
            "torchmetrics.classification.MulticlassAUROC",
            r"metrics.auroc: MulticlassAUROC fails for class ids",
        ),
    ],
)
def test_what_is_no_further_metric_is_refused(name: str, target: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_metrics({name: {"_target_": target}}, LABELS)
