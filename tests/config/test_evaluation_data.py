"""Which data a network is scored on."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from omegaconf import OmegaConf

from outtake.config.evaluation_data import _is_data_of_training, make_baseline_loader
from outtake.core.errors import LabelSpaceError
from outtake.core.labels import LabelSpace


def network(*names: str) -> Any:
    labels = LabelSpace.from_names(names, known_by="value")
    return SimpleNamespace(labels=labels, path=f"{'_'.join(names)}.ckpt")


def test_a_baseline_of_other_classes_is_refused() -> None:
    with pytest.raises(LabelSpaceError, match=r"^baseline=a_b_c\.ckpt was trained on other classes"
                       r" than a_b\.ckpt: a, b, c there, a, b here; give one"):  # fmt: skip
        make_baseline_loader(network("a", "b", "c"), network("a", "b"), cast(Any, None), None)


def test_tables_without_a_root_are_the_same_data_only_where_they_are_one() -> None:
    def data(csv: str, root: str | None = None) -> Any:
        return OmegaConf.create({"root": root, "source": {"_target_": "Folder", "csv": csv}})

    assert _is_data_of_training(data("a.csv"), data("a.csv"))
    assert not _is_data_of_training(data("a.csv"), data("b.csv"))
    assert _is_data_of_training(data("a.csv", "here"), data("b.csv", "here"))
