"""What a user can do wrong: one line, exit code 2, nothing half written."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import cv2
import numpy as np
import pytest
import torch
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.errors import HydraException

from benchmarks.reliability.forked_programs import ForkedProgram
from outtake.config.compose import CONF_DIR, compose
from outtake.core.errors import OuttakeError
from outtake.programs.command_line import explain_error, unset_empty_variables
from outtake.programs.evaluate import evaluate
from outtake.programs.infer_video import infer_video
from outtake.programs.train import train
from outtake.training.checkpoint_files import read_checkpoint, save_checkpoint
from tests.small_run import SMALL
from tests.tiers import keep_few

QUICK = ("data=folder", "data.workers=0", *SMALL[8:])


def write_folder(root: Path, count: int = 2) -> Path:
    for split in ("train", "val"):
        for kind in ("images", "masks"):
            (root / split / kind).mkdir(parents=True)
        for index in range(count):
            image = np.full((40, 50, 3), 90, np.uint8)
            mask = np.zeros((40, 50), np.uint8)
            mask[:20] = 1
            cv2.imwrite(str(root / split / "images" / f"{index}.png"), image)
            cv2.imwrite(str(root / split / "masks" / f"{index}.png"), mask)
    (root / "classes.yaml").write_text("names: [floor, thing]\n")
    return root


def drop_masks(root: Path) -> None:
    (root / "train/masks/1.png").unlink()


def drop_images(root: Path) -> None:
    (root / "train/images/1.png").unlink()


def resize_a_mask(root: Path) -> None:
    cv2.imwrite(str(root / "train/masks/1.png"), np.zeros((41, 50), np.uint8))


def add_a_label(root: Path) -> None:
    mask = np.zeros((40, 50), np.uint8)
    mask[0, :3] = 7
    cv2.imwrite(str(root / "train/masks/1.png"), mask)


def break_an_image(root: Path) -> None:
    path = root / "train/images/1.png"
    path.write_bytes(path.read_bytes()[:60])


def empty_a_split(root: Path) -> None:
    for path in (root / "val").rglob("*.png"):
        path.unlink()


def remove_the_root(root: Path) -> None:
    root.rename(root.with_name("elsewhere"))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (remove_the_root, ["data.root"]),
        (drop_masks, ["mask", "1"]),
        (drop_images, ["image", "1"]),
        (resize_a_mask, ["41", "40", "1.png"]),
        (add_a_label, ["7", "3", "1.png"]),
        (break_an_image, ["1.png"]),
        (empty_a_split, ["val"]),
    ],
)
def test_bad_data_is_named_and_no_run_folder_is_left(
    tmp_path: Path, spoil: Callable[[Path], None], said: list[str]
) -> None:
    root = write_folder(tmp_path / "folder")
    spoil(root)
    with pytest.raises(OuttakeError) as caught:
        train(compose("train", [*QUICK, f"data.root={root}"]), tmp_path / "run")
    message = explain_error(caught.value)
    assert "\n" not in message and caught.value.exit_code == 2
    assert all(word in message.replace(str(tmp_path), "") for word in said), message
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "override",
    [
        "trainer.precision=foo",
        "trainer.devices=2",
        "trainer.accelerator=abacus",
        "+optimizer.foo=1",
        "optimizer.lr=-1",
        "+scheduler.foo=1",
        "+callbacks.x._target_=os.system",
        "+model.foo=1",
        "data.batch_size=0",
        "data.source.height=7",
        "loss.class_weights=sqrt",
        "loss.reduction=none",
        "loss.label_smoothing=2",
        "loss._target_=torch.nn.BCEWithLogitsLoss",
        "+metrics.cm._target_=torchmetrics.classification.MulticlassConfusionMatrix",
        "trainer.max_epochs=0",
        "init_from=absent",
        "freeze=[head]",
        "data.crop=[64]",
        "model.encoder_name=resnet19",
        "model.encoder_name=timm-resnet18",
        "model.encoder_name=null",
        "model.encoder_name=tu-swin_tiny_patch4_window7_224",
        "model.fc_kernel=6",
        "model.dropout=2",
        "model.encoder_weights=absent.pth",
    ],
)
def test_an_option_that_can_not_work_is_refused_before_there_is_a_run_folder(
    tmp_path: Path, override: str
) -> None:
    with pytest.raises(OuttakeError) as caught:
        train(compose("train", [*SMALL, override]), tmp_path / "run")
    assert "\n" not in explain_error(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_good_folder_trains(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "folder", count=4)
    small = ["data.crop=[32,32]", "data.batch_size=2", "trainer.max_epochs=1"]
    assert train(compose("train", [*QUICK, f"data.root={root}", *small]), tmp_path / "run") >= 0


def spoiled(run: Path, tmp_path: Path, change: Callable[[dict], object]) -> Path:
    checkpoint = read_checkpoint(run / "checkpoints" / "best.ckpt")
    change(checkpoint)
    path = tmp_path / "spoiled.ckpt"
    save_checkpoint(checkpoint, path)
    return path


CHECKPOINTS = {
    "foreign": (lambda c: c.pop("outtake"), "not written by outtake train"),
    "other classes": (
        lambda c: c["outtake"]["labels"].update(names=["a", "b"], colours=[[0, 0, 0], [1, 1, 1]]),
        "do not fit",
    ),
    "forbidden": (
        lambda c: c["outtake"].update(
            config=c["outtake"]["config"].replace("outtake.models.fcn.FCN", "os.system")
        ),
        "not allowed",
    ),
    "reads the environment": (
        lambda c: c["outtake"].update(
            config=c["outtake"]["config"].replace("stride: 8", "stride: ${oc.env:HOME}")
        ),
        "not allowed",
    ),
    "alias bomb": (
        lambda c: c["outtake"].update(config="a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n"),
        "aliases",
    ),
    "no mapping": (lambda c: c["outtake"].update(config="just text"), "cannot be read"),
    "no channels": (lambda c: c["outtake"].update(channels="three"), "cannot be read"),
    "no weights": (lambda c: c.update(state_dict=7), "do not fit"),
    "other format": (lambda c: c["outtake"].update(format=99), "format 99"),
}


@pytest.mark.parametrize("kind", CHECKPOINTS)
def test_a_wrong_checkpoint_is_refused(small_run: Path, tmp_path: Path, kind: str) -> None:
    change, said = CHECKPOINTS[kind]
    path = spoiled(small_run, tmp_path, change)
    target = tmp_path / "out"
    with pytest.raises(OuttakeError, match=said):
        evaluate(compose("evaluate", [f"checkpoint={path}", "device=cpu", f"output={target}"]))
    assert not target.exists()


def test_a_truncated_checkpoint_is_refused_by_every_program(
    small_run: Path, tmp_path: Path
) -> None:
    path = tmp_path / "cut.ckpt"
    path.write_bytes((small_run / "checkpoints" / "best.ckpt").read_bytes()[:5000])
    with pytest.raises(OuttakeError, match="truncated"):
        evaluate(compose("evaluate", [f"checkpoint={path}"]))
    frames = tmp_path / "frames"
    frames.mkdir()
    cv2.imwrite(str(frames / "0.png"), np.zeros((32, 32, 3), np.uint8))
    video = [f"checkpoint={path}", f"input={frames}", f"output={tmp_path / 'out.mp4'}"]
    with pytest.raises(OuttakeError, match="truncated"):
        infer_video(compose("infer_video", [*video, "remove=[car]"]))
    assert not (tmp_path / "out.mp4").exists()


def test_an_unknown_class_lists_the_known(small_run: Path, tmp_path: Path) -> None:
    frames = tmp_path / "frames"
    frames.mkdir()
    cv2.imwrite(str(frames / "0.png"), np.zeros((32, 32, 3), np.uint8))
    options = [f"checkpoint={small_run}", f"input={frames}", f"output={tmp_path / 'out.mp4'}"]
    with pytest.raises(OuttakeError, match="the classes are"):
        infer_video(compose("infer_video", [*options, "remove=[unicorn]"]))
    assert not list(tmp_path.glob("out*"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_cuda_where_there_is_none(small_run: Path, tmp_path: Path) -> None:
    with pytest.raises(OuttakeError, match="cuda"):
        evaluate(compose("evaluate", [f"checkpoint={small_run}", "device=cuda"]))
    with pytest.raises(OuttakeError, match="cuda"):
        train(compose("train", [*SMALL, "trainer.accelerator=gpu"]), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_an_empty_variable_is_one_that_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTTAKE_DATA", "")
    monkeypatch.setenv("OUTTAKE_RUNS", "elsewhere")
    unset_empty_variables()
    assert compose("train").paths == {"data": "data", "runs": "elsewhere"}


def program(name: str, *overrides: str, cwd: Path, output: Path) -> CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k != "HYDRA_FULL_ERROR"}
    return ForkedProgram(name, overrides, cwd, output, environment).finish()


PROGRAMS = {
    "unknown option": (("train", "model=fcn9s"), ["fcn9s", "fcn8s"]),
    "unknown key": (("train", "optimzer.lr=1"), ["optimzer.lr"]),
    "bad syntax": (("train", "model=[fcn8s"), ["model="]),
    "missing root": (("train", "data=folder", "hydra.run.dir=own"), ["data.root"]),
    "forbidden target": (("train", "model._target_=os.system"), ["os.system", "allowed"]),
    "no checkpoint": (("evaluate", "checkpoint=absent"), ["absent"]),
    "checkpoint not given": (("evaluate",), ["checkpoint"]),
    "no video": (
        ("infer_video", "checkpoint=x", "input=absent.mp4", "output=o.mp4", "remove=[car]"),
        ["absent.mp4"],
    ),
    "unwritable": (
        ("train", *SMALL, "paths.runs=/proc/nowhere"),
        ["/proc/nowhere"],
    ),
}


@pytest.mark.parametrize("kind", keep_few(PROGRAMS, ("unknown key", "no video", "unwritable")))
def test_a_program_says_it_in_one_line_and_exits_with_2(kind: str, tmp_path: Path) -> None:
    command, said = PROGRAMS[kind]
    (tmp_path / "work").mkdir()
    done = program(*command, cwd=tmp_path / "work", output=tmp_path / "printed")
    assert done.returncode == 2, done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: "), done.stderr
    assert all(word in lines[0] for word in said), lines[0]
    assert not list((tmp_path / "work").iterdir()), "nothing is left behind"


@pytest.mark.full
def test_jobs_of_a_multirun_fail_by_themselves_and_leave_no_secret(tmp_path: Path) -> None:
    change = ("checkpoint=absent,gone", "paths.runs=runs", "+data.api_key=canary-4711")
    work = tmp_path / "work"
    work.mkdir()
    done = program("evaluate", "-m", *change, cwd=work, output=tmp_path / "evaluate")
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: absent: no such checkpoint")
    (record,) = [path for path in work.rglob("*") if path.is_file()]
    assert record.name == "multirun.yaml" and work / "runs" in record.parents
    assert "api_key" in record.read_text() and "canary-4711" not in record.read_text()
    given = ("-m", "sweep=optimizer", "n_trials=1,2")
    refused = program("sweep", *given, cwd=work, output=tmp_path / "sweep")
    assert refused.returncode == 2 and "leave -m out" in refused.stderr


def test_a_path_in_the_place_of_an_option_is_answered_with_what_would_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my photos").mkdir()
    (tmp_path / "net.onnx").touch()
    there = {
        ("train", "data='my photos'"): "data=folder 'data.root=my photos'",
        ("train", f"data={tmp_path}"): f"data={tmp_path}: no such option; for what lies there say",
        ("train", "data=../photos"): "data=../photos: no such option; allowed are ade20k",
        ("infer_video", "remover=net.onnx"): "say remover=onnx remover.path=net.onnx",
        ("infer_video", "remover=car"): "(remove=[car] takes out the class car); allowed are",
        ("infer_video", "mask=[a]"): "mask=[a]: must be a group of keys, set one by one",
        ("infer_video", "remove={a:1}"): "remove={a:1}: is a mapping, and remove takes a list",
    }
    for (program, override), said in there.items():
        with pytest.raises(HydraException) as caught:
            compose_raw(program, override)
        assert said in explain_error(caught.value)


def compose_raw(program: str, override: str) -> None:
    with initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        hydra_compose(program, overrides=[override])
