"""A teacher trains a student, and leaves nothing of itself behind but its digest."""

from __future__ import annotations

import json
from pathlib import Path
from shutil import copytree
from types import ModuleType, SimpleNamespace
from typing import Any, cast

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from outtake.config.compose import compose
from outtake.config.load_trained import load_trained
from outtake.core.errors import CheckpointError, ConfigError
from outtake.core.files import sha256_of_file
from outtake.programs.train import train
from outtake.training.checkpoint_files import read_checkpoint
from outtake.training.supervision.distillation import Distillation
from outtake.training.supervision.frozen_network import FrozenNetwork
from tests.tiers import keep_few
from tests.training.interrupted_run import end_at, go_on

EVERY_TERM = [
    "scheduler=null",  # it depends on the length of the run, which a resumption changes here
    "supervision=distillation",
    "supervision.weights={kl: 1, l1: 0.1, l2: 0.1, affinity: 1, features: 1}",
    "supervision.temperature=2",
    "supervision.student_features='0'",
    "supervision.teacher_features='2'",
]


def saved_at_ends(runs: ModuleType, pairs: Path, epochs: int = 2) -> list[str]:
    """The tiny run, which saves what its end asks for."""
    return [*runs.options(pairs, epochs=epochs), "checkpoint_every_n_steps=null"]


@pytest.fixture(scope="module")
def taught(
    runs: ModuleType, pairs: Path, tiny_run: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[str]]:
    """A run of every term, and its overrides."""
    folder = tmp_path_factory.mktemp("runs") / "taught"
    overrides = [*saved_at_ends(runs, pairs), *EVERY_TERM, f"supervision.teacher={tiny_run}"]
    train(compose("train", overrides), folder, overrides)
    return folder, overrides


def test_every_term_is_logged(taught: tuple[Path, list[str]]) -> None:
    lines = (taught[0] / "metrics.jsonl").read_text().splitlines()
    logged = {key for line in lines for key in json.loads(line)}
    terms = ("labels", "kl", "l1", "l2", "affinity", "features")
    assert {f"train/loss_{name}" for name in terms} <= logged


def test_the_checkpoint_has_the_students_weights_alone_and_the_teachers_digest(
    taught: tuple[Path, list[str]], tiny_run: Path
) -> None:
    for name in ("best.ckpt", "last.ckpt"):
        checkpoint = read_checkpoint(taught[0] / "checkpoints" / name)
        plain = read_checkpoint(tiny_run / "checkpoints" / name)
        assert checkpoint["state_dict"].keys() == plain["state_dict"].keys()
        digest = sha256_of_file(tiny_run / "checkpoints" / "best.ckpt")
        assert checkpoint["outtake"]["supervision"] == {"teacher_sha256": digest}
        adapter = checkpoint["supervision"]["weights"]["state_dict"]
        assert set(adapter) == {"supervision.adapter.weight", "supervision.adapter.bias"}
    summary = json.loads((taught[0] / "summary.json").read_text())
    assert summary["supervision"] == {"teacher_sha256": digest}
    task = load_trained(taught[0]).task
    assert task.supervision is None and task(torch.zeros(1, 3, 8, 8, dtype=torch.uint8)).dim() == 4


def test_a_run_with_a_teacher_resumes_to_the_bit(
    taught: tuple[Path, list[str]],
    runs: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = tmp_path / "run"
    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        end_at(patch, "training_step", 5)
        train(compose("train", taught[1]), run, taught[1])
    go_on(run)
    whole, parts = runs.final_state(taught[0]), runs.final_state(run)
    assert runs.difference(whole, parts) is None


def test_another_teacher_cannot_resume_a_run(
    taught: tuple[Path, list[str]], tmp_path: Path
) -> None:
    run = Path(copytree(taught[0], tmp_path / "run"))
    other = Path(copytree(taught[0], tmp_path / "other"))  # the same classes, another file
    resumed = [f"resume={run}", f"supervision.teacher={other}", "trainer.max_epochs=3"]
    cfg = compose("train", ["supervision=distillation", *resumed])
    with pytest.raises(CheckpointError, match=r"teacher_sha256 was \w+ when the run was begun"):
        train(cfg, overrides=resumed)


def test_the_network_begins_as_without_a_teacher(
    runs: ModuleType, pairs: Path, tiny_run: Path, tmp_path: Path
) -> None:
    short = [
        *saved_at_ends(runs, pairs),
        "optimizer.lr=0",
        "scheduler=null",
        "+trainer.max_steps=1",
    ]
    given = [*EVERY_TERM, f"supervision.teacher={tiny_run}"]
    first = []
    for name, overrides in (("plain", short), ("taught", [*short, *given])):
        train(compose("train", overrides), tmp_path / name, overrides)
        weights = read_checkpoint(tmp_path / name / "checkpoints" / "last.ckpt")["state_dict"]
        first.append({k: v for k, v in weights.items() if "weight" in k})
    assert runs.difference(*first) is None


def test_a_student_comes_close_to_its_teacher_without_labels(
    runs: ModuleType, pairs: Path, tiny_run: Path, tmp_path: Path
) -> None:
    overrides = [
        *saved_at_ends(runs, pairs, epochs=6),
        "supervision=distillation",
        f"supervision.teacher={tiny_run}",
        "supervision.label_weight=0",
        "optimizer.lr=0.03",
    ]
    train(compose("train", overrides), tmp_path / "run", overrides)
    records = runs.records(tmp_path / "run")
    kl = [record["train/loss_kl"] for record in records if "train/loss_kl" in record]
    assert np.mean(kl[-4:]) < 0.5 * kl[0]


ASKED = [
    ("unlabelled", 1, 2),
    ("both", 1, 4),
    ("both", 0.5, 2),
    ("labelled", 0.5, 1),
    ("both", 0.3, 2),
]


@pytest.mark.parametrize(("images", "share", "asked"), keep_few(ASKED, [ASKED[0], *ASKED[3:]]))
def test_a_teacher_is_asked_about_its_share_of_the_images(
    images: str,
    share: float,
    asked: int,
    runs: ModuleType,
    pairs: Path,
    tiny_run: Path,
    tmp_path: Path,
) -> None:
    overrides = [
        *saved_at_ends(runs, pairs, epochs=1),
        *EVERY_TERM,
        f"supervision.teacher={tiny_run}",
        f"supervision.images={images}",
        f"supervision.asked_share={share}",
        "data.labelled_share=1/2",
        "+trainer.max_steps=1",
    ]
    seen = []
    task_call = FrozenNetwork.__call__
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            FrozenNetwork, "__call__", lambda self, x: seen.append(len(x)) or task_call(self, x)
        )
        train(compose("train", overrides), tmp_path / "run", overrides)
    assert seen == [asked]


@pytest.mark.parametrize(("share", "asked"), [(0.25, 1), (0.5, 2), (0.75, 3)])
def test_each_image_is_asked_about_in_turn_and_compared_with_itself(
    share: float, asked: int
) -> None:
    seen = []

    class Teacher:
        net = nn.Identity()
        name = sha256 = ""

        def __call__(self, images: torch.Tensor) -> torch.Tensor:
            seen.append({int(each) for each in images[:, 0, 0, 0]})
            return images[:, :2].float()

    distillation = Distillation(
        nn.Identity(), 3, cast(FrozenNetwork, Teacher()), {"l2": 1}, asked_share=share
    )
    images = torch.arange(4, dtype=torch.uint8)[:, None, None, None].expand(4, 3, 8, 8)
    batch: Any = {"image": images, "mask": torch.zeros(4, 8, 8, dtype=torch.long)}
    for step in range(4):
        task: Any = SimpleNamespace(
            global_step=step,
            training_outputs=lambda images: images[:, :2].float(),
            loss=lambda logits, mask: logits.sum() * 0,
        )
        parts = distillation(task, batch).parts
        assert float(parts["l2"]) == 0, "what the teacher says of another image differs"
        assert len(seen[-1]) == asked
    assert all(sum(image in each for each in seen) == asked for image in range(4))


def test_several_teachers_are_the_mean_of_their_probabilities(
    taught: tuple[Path, list[str]], tiny_run: Path, runs: ModuleType, pairs: Path, tmp_path: Path
) -> None:
    names = f"[{taught[0]},{tiny_run}]"
    given = ["supervision=distillation", f"supervision.teacher={names}", "+trainer.max_steps=1"]
    overrides = [*saved_at_ends(runs, pairs, epochs=1), *given]
    train(compose("train", overrides), tmp_path / "run", overrides)
    tasks = [load_trained(run).task for run in (taught[0], tiny_run)]
    images = torch.randint(0, 256, (2, 3, 8, 8), dtype=torch.uint8)
    with torch.no_grad():
        expected = torch.stack([task.eval()(images).softmax(1) for task in tasks]).mean(0)
    found = FrozenNetwork(tasks, names, "")(images).softmax(1)
    assert torch.allclose(found, expected, atol=1e-6)
    overrides += ["supervision.weights.l1=1"]
    with pytest.raises(ConfigError, match=r"l1 cannot be compared with several teachers"):
        train(compose("train", overrides), tmp_path / "other", overrides)
    assert not (tmp_path / "other").exists()


def test_some_rows_and_columns_say_how_far_the_student_is(
    runs: ModuleType, pairs: Path, tiny_run: Path, tmp_path: Path
) -> None:
    found = []
    for step in (1, 2):
        overrides = [
            *saved_at_ends(runs, pairs, epochs=1),
            "supervision=distillation",
            f"supervision.teacher={tiny_run}",
            f"supervision.pixel_step={step}",
            "+trainer.max_steps=1",
            "trainer.log_every_n_steps=1",
        ]
        train(compose("train", overrides), tmp_path / str(step), overrides)
        records = runs.records(tmp_path / str(step))
        found.append(next(each["train/loss_kl"] for each in records if "train/loss_kl" in each))
    assert found[0] != found[1] == pytest.approx(found[0], rel=0.5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["supervision.weights.kl=0"], "all are 0, so the teacher has no part"),
        (["+supervision.weights.kld=1"], r"weights.kld: no such term; there are kl, l1"),
        (["supervision.weights.kl=-1"], "weights.kl=-1: must be a number, at least 0"),
        (["supervision.temperature=0"], "temperature=0: must be"),
        (["supervision.images=all"], "images=all: allowed are labelled, unlabelled, both"),
        (["supervision.weights.features=1"], "network has no encoder; set supervision.student_fea"),
        (
            ["supervision.weights.affinity=1", "supervision.student_features='9'"],
            "student_features=9: the network has no such module; set .* which are 0, 1, 2",
        ),
        (["supervision.teacher=nowhere"], "nowhere: no such checkpoint"),
        (
            ["supervision.teacher=[]"],
            r"teacher=\[\]: must be a run folder or a .ckpt file, or a list",
        ),
        (["supervision.teacher=3"], "3: no such checkpoint"),
        (["supervision.teacher=null"], "teacher=None: must be a run folder"),
    ],
)
def test_a_teacher_that_cannot_work_is_one_line_before_any_work(
    change: list[str], message: str, runs: ModuleType, pairs: Path, tiny_run: Path, tmp_path: Path
) -> None:
    given = ["supervision=distillation", f"supervision.teacher={tiny_run}", *change]
    overrides = [*saved_at_ends(runs, pairs), *given]
    with pytest.raises((ConfigError, CheckpointError), match=message) as error:
        train(compose("train", overrides), tmp_path / "run", overrides)
    assert "\n" not in str(error.value) and not (tmp_path / "run").exists()


def test_a_teacher_of_other_classes_or_channels_is_one_line(
    runs: ModuleType, tmp_path: Path, pairs: Path, tiny_run: Path
) -> None:
    renamed = runs.write_data(tmp_path / "renamed")
    (renamed / "classes.yaml").write_text("names: [ground, car]\n")
    grey = runs.write_data(tmp_path / "grey")
    for path in grey.rglob("images/*.png"):
        cv2.imwrite(str(path), cv2.imread(str(path), cv2.IMREAD_GRAYSCALE))
    for data, message in (
        (renamed, "ground, thing there, ground, car here; give a teacher"),
        (grey, "takes images of 3 channels and the data have 1"),
    ):
        given = ["supervision=distillation", f"supervision.teacher={tiny_run}"]
        overrides = [*runs.options(data), *given]
        with pytest.raises(ConfigError, match=message):
            train(compose("train", overrides), tmp_path / "run", overrides)
    assert not (tmp_path / "run").exists()
