from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import pytest
import torch

from outtake.config.compose import compose
from outtake.config.evaluation_data import build_eval_data
from outtake.config.load_trained import load_trained
from outtake.core.errors import CheckpointError, ConfigError, OutputError
from outtake.programs.soup import soup
from outtake.programs.train import train
from outtake.training.checkpoint_files import read_checkpoint, save_checkpoint
from outtake.training.model_archive import write_archive

BEST = Path("checkpoints") / "best.ckpt"


@pytest.fixture(scope="module")
def tiny_run(runs: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a network of two layers, with batch normalisation between."""
    folder = tmp_path_factory.mktemp("tiny")
    train(
        compose("train", runs.options(runs.write_data(folder / "data"), epochs=1)), folder / "run"
    )
    return folder / "run"


def shift(run: Path, target: Path, by: float, **record: object) -> Path:
    """Copy a checkpoint with other weights."""
    checkpoint = read_checkpoint(run / BEST)
    for name, tensor in checkpoint["state_dict"].items():
        if name.startswith("net.") and tensor.is_floating_point():
            tensor += by
    checkpoint["outtake"] |= record
    save_checkpoint(checkpoint, target)
    return target


def make_soup(*overrides: str) -> dict:
    path = soup(compose("soup", [*overrides, "device=cpu", "batches=2", "workers=0"]))
    return json.loads(path.with_suffix(".json").read_text())


def test_the_mean_of_weights_is_a_checkpoint_like_any_other(tiny_run: Path, tmp_path: Path) -> None:
    others = [shift(tiny_run, tmp_path / f"{n}.ckpt", n / 100) for n in (1, 2)]
    named = f"checkpoint=[{tiny_run},{others[0]},{others[1]}]"
    record = make_soup(named, f"output={tmp_path / 'plain.ckpt'}", "batchnorm=average")
    assert [each["checkpoint"] for each in record["members"]][1:] == list(map(str, others))
    assert record["batches"] == 0 and not record["left_out"]
    middle = load_trained(others[0]).task.state_dict()
    plain = load_trained(tmp_path / "plain.ckpt").task.state_dict()
    assert all(torch.allclose(plain[name], middle[name], atol=1e-5) for name in plain)
    assert read_checkpoint(tmp_path / "plain.ckpt")["soup"] == record
    record = make_soup(named, f"output={tmp_path / 'measured.ckpt'}")
    measured = load_trained(tmp_path / "measured.ckpt").task.state_dict()
    differing = {name for name in plain if not torch.equal(plain[name], measured[name])}
    assert record["batches"] == 2 and differing
    assert all(name.endswith(("running_mean", "running_var", "tracked")) for name in differing)
    with pytest.raises(OutputError, match=r"measured\.ckpt exists"):
        make_soup(named, f"output={tmp_path / 'measured.ckpt'}")
    (tmp_path / "noted.json").write_text("mine")
    with pytest.raises(OutputError, match=r"noted\.json exists"):
        make_soup(named, f"output={tmp_path / 'noted.ckpt'}")
    assert not (tmp_path / "noted.ckpt").exists()


def test_greedy_leaves_out_what_lowers_the_score(tiny_run: Path, tmp_path: Path) -> None:
    checkpoint = read_checkpoint(tiny_run / BEST)
    scored = {}
    for place in (0, 1):  # one of the classes everywhere
        state = {name: tensor.clone() for name, tensor in checkpoint["state_dict"].items()}
        state["net.4.bias"][place] += 1e4
        path = tmp_path / f"only_{place}.ckpt"
        save_checkpoint(checkpoint | {"state_dict": state}, path)
        scored[str(path)] = place
    record = make_soup(
        f"checkpoint=[{','.join(scored)}]", f"output={tmp_path / 'out.ckpt'}", "method=greedy"
    )
    best = max((0, 1), key=lambda place: record["val_miou_alone"][place])
    assert record["val_miou_alone"][0] != record["val_miou_alone"][1]
    assert scored[record["members"][0]["checkpoint"]] == best
    assert record["val_miou"] >= max(record["val_miou_alone"])


def test_what_cannot_be_averaged_is_refused_and_nothing_is_written(
    tiny_run: Path, tmp_path: Path
) -> None:
    output = f"output={tmp_path / 'out.ckpt'}"
    with pytest.raises(ConfigError, match="at least two"):
        make_soup(f"checkpoint=[{tiny_run}]", output)
    with pytest.raises(OutputError, match=r"ends in \.ckpt"):
        make_soup(f"checkpoint=[{tiny_run},{tiny_run}]", f"output={tmp_path / 'out.zip'}")
    finer = shift(tiny_run, tmp_path / "finer.ckpt", 0.1, short_side=200)
    with pytest.raises(CheckpointError, match=r"finer\.ckpt see images of other sizes"):
        make_soup(f"checkpoint=[{tiny_run},{finer}]", output)
    checkpoint = read_checkpoint(tiny_run / BEST)
    state = checkpoint["state_dict"]
    for name in [name for name in state if name.startswith(("net.0.", "net.1."))]:
        state[name] = state[name][:5] if state[name].dim() else state[name]
    state["net.4.weight"] = state["net.4.weight"][:, :5]
    config = checkpoint["outtake"]["config"]
    for key in ("out_channels", "num_features", "in_channels"):
        config = config.replace(f"{key}: 6", f"{key}: 5")
    checkpoint["outtake"]["config"] = config
    save_checkpoint(checkpoint, tmp_path / "narrow.ckpt")
    with pytest.raises(CheckpointError, match=r"different architectures \(net\.0\.weight is \(6, "):
        make_soup(f"checkpoint=[{tiny_run},{tmp_path / 'narrow.ckpt'}]", output)
    assert not (tmp_path / "out.ckpt").exists()


def test_a_mean_of_folds_is_not_scored_on_what_one_of_them_has_learned(
    tiny_run: Path, tmp_path: Path
) -> None:
    paths = []
    for fold in (0, 1):
        path = shift(tiny_run, tmp_path / f"fold_{fold}.ckpt", fold / 100)
        checkpoint = read_checkpoint(path)
        config = checkpoint["outtake"]["config"].replace("\nfolds: null", "\nfolds: 2")
        checkpoint["outtake"]["config"] = config.replace("\nfold: null", f"\nfold: {fold}")
        paths.append(tmp_path / f"of_fold_{fold}.ckpt")
        save_checkpoint(checkpoint, paths[-1])
    mean = tmp_path / "mean.ckpt"
    make_soup(f"checkpoint=[{paths[0]},{paths[1]}]", f"output={mean}", "batchnorm=average")
    again = tmp_path / "again.ckpt"
    make_soup(f"checkpoint=[{mean},{paths[0]}]", f"output={again}", "batchnorm=average")
    write_archive(tmp_path / "mean.zip", read_checkpoint(mean), {})
    for path in (mean, again, tmp_path / "mean.zip"):
        with pytest.raises(ConfigError, match=r"split=val: the members of this mean are of diff"):
            build_eval_data(load_trained(path), compose("evaluate", [f"checkpoint={path}"]))
