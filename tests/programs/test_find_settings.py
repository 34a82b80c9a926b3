from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
from omegaconf import OmegaConf

from outtake.config.compose import compose
from outtake.core.errors import CheckpointError, ConfigError
from outtake.programs.find_settings import find_settings, search_largest


@pytest.mark.parametrize("highest", [256, 100, 1])
@pytest.mark.parametrize("limit", [1, 2, 7, 8, 40, 100, 1000])
def test_the_largest_size_that_fits_is_found_to_an_eighth(limit: int, highest: int) -> None:
    tried: list[int] = []

    def fits(size: int) -> bool:
        tried.append(size)
        return size <= limit

    found = search_largest(fits, highest)
    assert found <= limit and min(limit, highest) - found <= max(1, found // 8)
    assert found == highest or limit < highest
    assert len(tried) == len(set(tried)) and max(tried) <= highest


def test_nothing_fits_into_nothing() -> None:
    assert search_largest(lambda size: False, 256) == 0


def test_a_rate_is_found_and_nothing_is_left_but_its_chart(
    runs: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    data = runs.write_data(tmp_path / "data")
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    # The process costs seconds of imports; the test below has a real one.
    monkeypatch.setattr(
        "outtake.programs.find_settings.run_in_process",
        lambda work, tree, options: work(OmegaConf.create(tree), options),
    )
    given = [*runs.options(data), "find=lr", "find.steps=40", "find.output=chart.png"]
    with pytest.raises(ConfigError, match=r"find\.highest=1e-07: must be above"):
        find_settings(compose("train", [*given, "find.highest=1.0e-7"]))
    with pytest.raises(ConfigError, match=r"find\.output=chart\.jpg: .*\.png"):
        find_settings(compose("train", [*given, "find.output=chart.jpg"]))
    with pytest.raises(ConfigError, match="freeze"):
        find_settings(compose("train", [*given, "freeze=[nothing_so]"]))
    taught = ["supervision=distillation", "supervision.teacher=nowhere"]
    with pytest.raises(CheckpointError, match="nowhere"):
        find_settings(compose("train", [*given, *taught]))
    assert not list(work.iterdir())
    rate = find_settings(compose("train", [*given, "find.lowest=1.0e-4"]))
    assert 1e-4 <= rate <= 1 and f"optimizer.lr={rate:.2g}" in capsys.readouterr().out
    assert [path.name for path in work.iterdir()] == ["chart.png"]


@pytest.mark.full
def test_a_batch_size_is_found_with_a_table_by_processes_that_end(
    runs: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    data = runs.write_data(tmp_path / "data")
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    given = [*runs.options(data), "find=batch_size", "find.highest=1", "find.steps=2"]
    assert find_settings(compose("train", given)) == 1
    printed = capsys.readouterr().out
    assert "images/s" in printed and "data.batch_size=1" in printed
    assert not list(work.iterdir())
