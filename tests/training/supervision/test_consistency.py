"""What a teacher is sure of in a weak view is trained on in strong ones, and only that."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from outtake.config.compose import compose
from outtake.config.load_trained import load_trained
from outtake.core.errors import ConfigError, DataRootError, EmptySplitError
from outtake.core.labels import LabelSpace
from outtake.programs.evaluate import evaluate
from outtake.programs.train import train
from outtake.training.checkpoint_files import read_checkpoint
from outtake.training.losses.cross_entropy import CrossEntropy
from outtake.training.supervision.consistency import Consistency, _Guess, mix_images
from outtake.training.supervision.moving_teacher import MovingTeacher
from outtake.training.task import SegmentationTask
from tests.data.generated import picture, save
from tests.training.interrupted_run import end_at, go_on

UNIMATCH = [
    "supervision=unimatch",
    "supervision.feature_module='0'",
    "supervision.threshold=0.5",
    "scheduler=null",
    "data.labelled_share=1/2",
    "data.unlabelled_batch_size=3",
]


class Brightness(nn.Module):
    """Two classes: dark, and bright by as much as the pixel is."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Conv2d(1, 1, 1)
        nn.init.ones_(self.encoder.weight)
        nn.init.zeros_(self.encoder.bias)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        bright = self.encoder(image)
        return torch.cat([-bright, bright], 1)


class Scale(nn.Module):
    """uint8 to -5 ... 5."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.float() / 25.5 - 5


def make_task(net: nn.Module | None = None) -> SegmentationTask:
    labels = LabelSpace.from_names(["dark", "bright"])
    return SegmentationTask(net or Brightness(), Scale(), labels, CrossEntropy())


def test_a_rectangle_of_the_next_image_is_pasted_with_what_is_seen_there() -> None:
    images = torch.arange(2, dtype=torch.uint8).reshape(2, 1, 1, 1).expand(2, 3, 4, 5)
    labels = images[:, 0].long()
    guess = _Guess(labels, labels * 0.5, labels == 1)
    pasted, target = mix_images(images, torch.tensor([[1, 2, 2, 3], [0, 0, 0, 0]]), guess)
    expected = torch.zeros(4, 5, dtype=torch.long)
    expected[1:3, 2:5] = 1
    assert torch.equal(pasted[0, 0].long(), expected) and torch.equal(target.labels[0], expected)
    assert torch.equal(target.confidence[0], expected * 0.5)
    assert torch.equal(target.valid[0], expected == 1)
    assert torch.equal(pasted[1], images[1]) and torch.equal(target.labels[1], labels[1])


def test_only_pixels_of_which_the_teacher_is_sure_count_and_padding_does_not_divide() -> None:
    task = make_task()
    net = task.net
    supervision = Consistency(net, 1, threshold=0.99, teacher_window_share=0, feature_dropout=0)
    weak = torch.full((1, 1, 2, 2), 128, dtype=torch.uint8)  # of which nothing is known
    weak[..., 0] = 255
    valid = torch.ones(1, 2, 2, dtype=torch.bool)
    valid[:, 1] = False
    strong = torch.zeros(1, 1, 1, 2, 2, dtype=torch.uint8)
    batch = {
        "image": torch.zeros(1, 1, 2, 2, dtype=torch.uint8),
        "mask": torch.zeros(1, 2, 2, dtype=torch.long),
        "index": torch.zeros(1, dtype=torch.long),
        "unlabelled": {
            "image": weak,
            "valid": valid,
            "strong": strong,
            "boxes": torch.zeros(1, 1, 4, dtype=torch.long),
        },
    }
    loss, parts = supervision(task, batch)
    # One of two valid pixels is sure to be bright, and the strong view shows black: ln(1 + e^10).
    assert float(parts["unlabelled"]) == pytest.approx(10.0 / 2, abs=1e-3)
    assert float(parts["sure_share"]) == 0.5
    assert float(loss.detach()) == pytest.approx(float(parts["labels"]) + 5.0, abs=1e-3)
    assert net.training


def test_the_teacher_is_the_average_of_the_weights_once_for_each_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    task, images = make_task(), torch.full((1, 1, 1, 1), 255, dtype=torch.uint8)
    step = [0]
    monkeypatch.setattr(SegmentationTask, "global_step", property(lambda _: step[0]))
    trainer = SimpleNamespace(estimated_stepping_batches=100)
    monkeypatch.setattr(SegmentationTask, "trainer", property(lambda _: trainer))
    teacher = MovingTeacher(0.02)  # two steps: 1 / sqrt(e) remains in each

    def sees() -> float:
        return float(teacher(task, images)[0, 1])

    assert sees() == pytest.approx(5)
    expected = 1.0
    for number, weight in enumerate((2.0, 3.0, 5.0), start=1):
        nn.init.constant_(task.net.encoder.weight, weight)
        step[0] = number
        kept = min(np.exp(-0.5), 1 - 1 / (number + 1))
        expected = kept * expected + (1 - kept) * weight
        assert sees() == pytest.approx(5 * expected) == sees()
    restored = MovingTeacher(0.02)
    restored.restore(teacher.state())
    assert float(restored(task, images)[0, 1]) == pytest.approx(5 * expected)


@pytest.fixture(scope="module")
def trained(
    runs: ModuleType, pairs: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[str]]:
    folder = tmp_path_factory.mktemp("runs") / "unimatch"
    overrides = [*runs.options(pairs), *UNIMATCH]
    train(compose("train", overrides), folder, overrides)
    return folder, overrides


def test_a_run_says_how_much_was_sure_and_saves_the_network_alone(
    trained: tuple[Path, list[str]],
) -> None:
    run = trained[0]
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    logged = {key for record in records for key in record}
    assert {"train/loss_labels", "train/loss_unlabelled", "train/loss_sure_share"} <= logged
    record = json.loads((run / "data.json").read_text())
    assert record["splits"]["train"]["count"] == record["unlabelled"]["count"] == 4
    weights = read_checkpoint(run / "checkpoints" / "best.ckpt")["state_dict"]
    assert all(name.startswith("net.") or name.startswith("normalize.") for name in weights)
    assert load_trained(run).task.supervision is None


def test_it_resumes_inside_an_epoch_to_the_bit(
    trained: tuple[Path, list[str]],
    runs: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run, overrides = tmp_path / "run", [*trained[1], "data.workers=1"]
    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        end_at(patch, "training_step", 3)
        train(compose("train", overrides), run, overrides)
    go_on(run)
    assert runs.difference(runs.final_state(trained[0]), runs.final_state(run)) is None


def test_a_folder_of_pictures_is_learned_from(
    runs: ModuleType, pairs: Path, tmp_path: Path
) -> None:
    for number in range(3):
        save(tmp_path / f"pictures/{number}.png", picture(number, (30, 40)))
    save(tmp_path / "pictures/copy.png", np.array(picture(0, (30, 40))))
    overrides = [
        *runs.options(pairs, epochs=1),
        "supervision=fixmatch",
        f"data.unlabelled={tmp_path / 'pictures'}",
    ]
    train(compose("train", overrides), tmp_path / "run", overrides)
    assert json.loads((tmp_path / "run/data.json").read_text())["unlabelled"]["count"] == 4


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ("data.labelled_share=1/2", ConfigError, r"no encoder; set supervision\.feature_module"),
        ("data.unlabelled=EMPTY", EmptySplitError, "EMPTY: the folder holds no picture that can"),
        ("data.unlabelled=nowhere", DataRootError, "nowhere: no such folder"),
    ],
)
def test_what_cannot_work_is_one_line_before_any_work(
    given: str,
    error: type[Exception],
    message: str,
    runs: ModuleType,
    pairs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "EMPTY").mkdir()
    overrides = [*runs.options(pairs), "supervision=unimatch", given]
    with pytest.raises(error, match=message) as raised:
        train(compose("train", overrides), tmp_path / "run", overrides)
    assert "\n" not in str(raised.value) and not (tmp_path / "run").exists()


def test_a_run_is_scored_without_its_images_without_labels(
    trained: tuple[Path, list[str]], runs: ModuleType, tmp_path: Path
) -> None:
    other = runs.write_data(tmp_path / "other")
    source = ["data=folder", f"data.root={other}", "data.workers=0"]
    for overrides in ([], source):
        given = [f"checkpoint={trained[0]}", f"output={tmp_path / 'out'}", "report=false"]
        scored = evaluate(compose("evaluate", [*given, "device=cpu", *overrides]))
        assert json.loads(scored.read_text())["miou"] > 0
