from __future__ import annotations

import logging

import pytest
import torch
from torch.nn import functional as F

from outtake.config.build_task import build_task
from outtake.config.compose import compose
from outtake.core.errors import ConfigError
from outtake.core.labels import LabelSpace
from outtake.models.training_logits import TrainingLogits, all_logits
from outtake.training.losses.cross_entropy import CrossEntropy
from outtake.training.losses.deep_supervision import DeepSupervision, boundary_pixels
from outtake.training.probe_network import probe

LABELS = LabelSpace.from_names(["road", "car", "sky"])


def logits(seed: int, classes: int = 3) -> torch.Tensor:
    return torch.randn(2, classes, 8, 9, generator=torch.Generator().manual_seed(seed))


TARGET = torch.randint(0, 3, (2, 8, 9), generator=torch.Generator().manual_seed(9))


def test_heads_have_the_loss_of_the_logits_times_their_weights() -> None:
    loss = DeepSupervision(CrossEntropy(), auxiliary_weight=0.5, weights={"b": 2.0})
    main, a, b = logits(0), logits(1), logits(2)
    value = loss(TrainingLogits(main, {"a": a, "b": b}), TARGET)
    of = [F.cross_entropy(each, TARGET) for each in (main, a, b)]
    torch.testing.assert_close(value, of[0] + 0.5 * of[1] + 2.0 * of[2])
    torch.testing.assert_close(loss.parts["b"], of[2])
    torch.testing.assert_close(loss(main, TARGET), of[0])  # as in evaluation
    assert loss.parts == {}


def test_a_boundary_is_what_lies_near_another_class_and_never_the_edge_of_the_labels() -> None:
    target = torch.zeros(1, 6, 9, dtype=torch.long)
    target[:, :, 5:] = 1
    target[:, :, 8] = 255
    found = boundary_pixels(target, 2, 255)
    assert found[0].any(0).tolist() == [False] * 3 + [True] * 4 + [False] * 2
    assert not boundary_pixels(torch.full((1, 4, 4), 255), 2, 255).any()


def test_a_boundary_head_learns_both_kinds_alike_and_adds_the_sure_pixels() -> None:
    target = torch.zeros(1, 8, 9, dtype=torch.long)
    target[:, :, 4:] = 1
    truth = boundary_pixels(target, 1, 255)
    share = truth.float().mean()
    zero = torch.zeros(1, 1, 8, 9)
    loss = DeepSupervision(CrossEntropy(), boundary_px=1, sure_probability=0.9)
    loss(TrainingLogits(logits(0)[:1], {}, zero), target)
    torch.testing.assert_close(
        loss.parts["boundary"], 2 * share * (1 - share) * torch.tensor(2.0).log()
    )
    assert loss.parts["sure"] == 0, "sure of nothing"
    sure = torch.where(truth, 9.0, -9.0)[:, None]
    main = logits(0)[:1]
    value = loss(TrainingLogits(main, {}, sure), target)
    own = F.cross_entropy(main, target)
    at_edge = F.cross_entropy(main.movedim(1, -1)[truth], target[truth])
    assert loss.parts["boundary"] < 1e-3
    torch.testing.assert_close(value, own + at_edge + 20 * loss.parts["boundary"])


def test_an_unlabelled_batch_has_loss_zero() -> None:
    main = logits(0).requires_grad_()
    outputs = TrainingLogits(main, {"a": 2 * main}, main[:, :1])
    value = DeepSupervision(CrossEntropy())(outputs, torch.full((2, 8, 9), 255))
    value.backward()
    assert value == 0 and main.grad is not None and not main.grad.any()


@pytest.mark.parametrize("option", ["ddrnet23_slim", "pidnet_s", "bisenet_v2"])
def test_heads_are_in_training_and_not_in_evaluation(option: str, caplog) -> None:
    cfg = compose("train", [f"model={option}", "loss=deep_supervision"])
    task = build_task(cfg, LABELS, 3)
    image = torch.zeros(2, 3, 33, 47, dtype=torch.uint8)
    outputs = task.net.train()(torch.zeros(2, 3, 33, 47))
    assert isinstance(outputs, TrainingLogits)
    boundary = ["boundary"] if outputs.boundary is not None else []
    assert [*outputs.auxiliary, *boundary] == list(task.net.training_heads)
    assert {tuple(each.shape[2:]) for each in all_logits(outputs)} == {(33, 47)}
    assert task(image).shape == (2, 3, 33, 47)
    assert isinstance(task.net.eval()(torch.zeros(2, 3, 33, 47)), torch.Tensor)
    task.net.train()
    assert not caplog.records
    heads = {name for name, _ in task.net.named_parameters() if name.startswith("auxiliary")}
    trained, untrained = probe(task.net, 3, heads=True), probe(task.net, 3)
    assert trained is not None and trained.unused_parameters == []
    assert untrained is not None and heads == set(untrained.unused_parameters)


def test_a_step_of_training_reaches_the_heads_and_logs_them(monkeypatch) -> None:
    cfg = compose("train", ["model=bisenet_v2", "loss=deep_supervision"])
    task = build_task(cfg, LABELS, 3).train()
    logged: dict[str, float] = {}
    monkeypatch.setattr(task, "log", lambda name, value, **_: logged.update({name: float(value)}))
    image = torch.randint(0, 255, (2, 3, 40, 40), dtype=torch.uint8)
    target = torch.randint(0, 3, (2, 40, 40))
    task.training_step({"image": image, "mask": target, "index": torch.arange(2)}, 0).backward()
    assert all(weight.grad is not None for weight in task.net.parameters())
    assert logged["train/loss_stride8"] > 0
    parts = [logged[f"train/loss_{name}"] for name in task.net.training_heads]
    assert logged["train/loss"] == pytest.approx(logged["train/loss_main"] + 0.4 * sum(parts))


def test_heads_that_no_loss_trains_are_named_and_so_is_a_loss_that_finds_none(caplog) -> None:
    build_task(compose("train", ["model=pidnet_s"]), LABELS, 3)
    build_task(compose("train", ["model=enet", "loss=deep_supervision"]), LABELS, 3)
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
        (
            logging.WARNING,
            "the network's heads for training (detail, boundary) are not trained: "
            "loss=deep_supervision does it",
        ),
        (
            logging.WARNING,
            "loss=deep_supervision: this network has no further heads; same as loss.loss",
        ),
    ]
    with pytest.raises(ConfigError, match=r"loss.weights.edge: .* it has detail"):
        build_task(
            compose("train", ["model=pidnet_s", "loss=deep_supervision", "+loss.weights.edge=1"]),
            LABELS,
            3,
        )
