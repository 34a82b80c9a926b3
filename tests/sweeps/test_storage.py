"""Storages and pruners by name, and journals that are damaged."""

from __future__ import annotations

import resource
from pathlib import Path

import optuna
import pytest

from outtake.core.errors import ConfigError
from outtake.sweeps.storage import (
    hide_storage_address,
    make_pruner,
    open_storage,
    storage_address,
)


def test_storages_and_pruners_by_name(tmp_path: Path) -> None:
    assert storage_address("sqlite", tmp_path).startswith("sqlite:////")
    assert storage_address("journal", tmp_path).startswith("journal:/")
    assert storage_address("mysql://u@h/n", tmp_path) == "mysql://u@h/n"
    with pytest.raises(ConfigError, match="storage"):
        storage_address("postgres", tmp_path)
    with pytest.raises(ConfigError, match=r"a \? in its name, which no SQLite address can have"):
        storage_address("sqlite", tmp_path / "rates?")
    assert make_pruner({"kind": "MedianPruner", "n_warmup_steps": 3})
    with pytest.raises(ConfigError, match=r"pruner\.kind=Median: allowed are"):
        make_pruner({"kind": "Median"})
    with pytest.raises(ConfigError, match="pruner: MedianPruner"):
        make_pruner({"kind": "MedianPruner", "nope": 1})
    with pytest.raises(ConfigError, match=r"PercentilePruner: needs percentile; add \+pruner"):
        make_pruner({"kind": "PercentilePruner"})


@pytest.mark.parametrize(
    ("chosen", "kind"),
    [
        ("sqlite", "sqlite"),
        ("journal", "journal"),
        ("postgresql+psycopg2://me:c4n4ry@h/n", "postgresql+psycopg2://..."),
        ("storage=mysql://me:c4n4ry@h/n", "storage=mysql://..."),
        ("++storage='mysql://me:c4n 4ry@h/n'", "++storage=mysql://..."),
        ("storage=${oc.env:DATABASE}", "storage=${oc.env:DATABASE}"),
    ],
)
def test_of_an_address_only_the_kind_is_written(chosen: str, kind: str) -> None:
    assert hide_storage_address(chosen) == kind


def test_half_a_line_in_a_journal_costs_nothing_but_itself(tmp_path: Path) -> None:
    address = storage_address("journal", tmp_path)
    study = optuna.create_study(study_name="s", storage=open_storage(address))
    study.set_user_attr("first", 1)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(
        resource.RLIMIT_FSIZE, ((tmp_path / "study.journal").stat().st_size + 10, hard)
    )
    try:
        with pytest.raises(optuna.exceptions.StorageInternalError):
            study.set_user_attr("second", 2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not (tmp_path / "study.journal").read_bytes().endswith(b"\n"), "it was written in part"
    study.set_user_attr("third", 3)
    for each in (study, optuna.load_study(study_name="s", storage=open_storage(address))):
        assert each.user_attrs == {"first": 1, "third": 3}


def test_a_journal_that_can_not_be_opened_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"storage: .*study\.journal cannot be opened"):
        open_storage(storage_address("journal", tmp_path / "missing"))
    (tmp_path / "study.journal").write_text("{\n{}\n")
    with pytest.raises(ConfigError, match=r"storage: .*study\.journal cannot be opened"):
        open_storage(storage_address("journal", tmp_path))
