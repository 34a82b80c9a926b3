"""The table of docs/models.md has a row for every network, and its counts are right."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def table() -> ModuleType:
    from benchmarks.inference import model_table

    return model_table


def test_every_network_has_a_row(table: ModuleType) -> None:
    rows = table.read_table(table.PAGE.read_text(encoding="utf-8"))
    missing = sorted(set(table.presets()) - rows.keys())
    assert not missing, f"python -m benchmarks.inference.model_table --models {' '.join(missing)}"
    assert rows.keys() == set(table.presets())
    for name, row in rows.items():
        assert float(row["M weights"]) > 0 and float(row["GFLOP"]) > 0, name


def test_weights_and_work_are_those_of_the_layers(table: ModuleType) -> None:
    weights, gflop = table.count_weights_and_flop("fcn_flat")
    convolutions = 3 * 24 * 9 + 8 * 24 * 24 * 9 + 24 * 11
    assert weights * 1e6 == pytest.approx(convolutions + 9 * 2 * 24 + 11)
    assert gflop * 1e9 == pytest.approx(2 * 480 * 360 * convolutions)
    with_heads, _ = table.count_weights_and_flop("bisenet_v2")
    assert with_heads == pytest.approx(3.36, abs=0.01), "heads for training are no part of it"


def test_a_row_replaces_its_own_cells_alone(
    table: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"Before.\n{table.BEGIN}\n{table.END}\nAfter.\n", encoding="utf-8")
    monkeypatch.setattr(table, "PAGE", page)
    table.write_row("unet", {"model": "`unet`", "GFLOP": "2.0", "torch f32 ms": "7"})
    table.write_row("enet", {"model": "`enet`", "GFLOP": "1.0", "OpenVINO f32 ms": "-"})
    table.write_row("unet", {"model": "`unet`", "GFLOP": "3.0", "OpenVINO f32 ms": "5"})
    text = page.read_text(encoding="utf-8")
    rows = table.read_table(text)
    assert list(rows) == ["enet", "unet"]
    assert text.startswith("Before.") and text.endswith("After.\n")
    assert (rows["unet"]["GFLOP"], rows["unet"]["torch f32 ms"]) == ("3.0", "7")
    assert rows["unet"]["exports to"] == "OpenVINO" and rows["enet"]["exports to"] == "-"
