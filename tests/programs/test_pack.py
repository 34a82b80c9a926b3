"""``outtake pack`` writes shards that ``data=packed`` trains on, and says what it did."""

from __future__ import annotations

from pathlib import Path

import pytest

from outtake.config.build_data import build_data
from outtake.config.compose import compose
from outtake.core.errors import ConfigError, OutputError
from outtake.programs.pack import pack_data
from tests.data.generated import label_map, picture, save


def write_pairs(root: Path) -> None:
    for split in ("train", "val"):
        for number in range(2):
            save(root / split / "images" / f"{number}.png", picture(number + len(split)))
            save(root / split / "masks" / f"{number}.png", label_map(number))


def test_a_folder_is_packed_and_loaded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_pairs(tmp_path / "data")
    target = tmp_path / "two shards"
    arguments = [f"data.root={tmp_path / 'data'}", f"output='{target}'"]
    assert pack_data(compose("pack", arguments)) == target
    said = capsys.readouterr().out
    assert "train: 2 samples in 1 shard," in said
    assert said.rstrip().endswith(f"""data=packed 'data.root="{target}"'""")
    pack_data(compose("pack", arguments))
    assert "1 were there" in capsys.readouterr().out
    loader = ["data=packed", f"data.root='{target}'", "data.workers=0", "data.crop=[16,20]"]
    data = build_data(compose("train", loader))
    data.setup("fit")
    assert len(data.report("train").samples) == 2


def test_what_cannot_be_packed_is_said_before_any_work(tmp_path: Path) -> None:
    write_pairs(tmp_path)
    with pytest.raises(ConfigError, match="output has no value"):
        pack_data(compose("pack", [f"data.root={tmp_path}"]))
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="is a file"):
        pack_data(compose("pack", [f"data.root={tmp_path}", f"output={tmp_path / 'file' / 'x'}"]))
