"""Every option of every config group composes, and what it describes can be built."""

from __future__ import annotations

import inspect
from functools import cache
from pathlib import Path

import hydra.utils
import pytest
import segmentation_models_pytorch
import torch
from omegaconf import DictConfig, OmegaConf

from outtake.config.build_data import build_data
from outtake.config.build_network import build_net
from outtake.config.build_task import build_loss
from outtake.config.compose import CONF_DIR, compose
from outtake.config.group_overrides import list_options
from outtake.config.instantiate import accepted_arguments, instantiate
from outtake.core.errors import ConfigError
from outtake.core.labels import LabelSpace
from outtake.data.folder import Folder
from outtake.data.pack_shards import pack
from outtake.inference.open_backend import BACKEND_NAMES
from outtake.models.smp import SmpNet
from outtake.programs.trainer_setup import make_trainer
from outtake.refine.refiner import Refiner
from outtake.runs.logger_session import dashboard_session, make_loggers
from outtake.runs.run_folder import RunFolder
from outtake.training.optimizer_average import averages_weights
from tests.data.sources.trees import TREES, make_tree
from tests.labelled_video.clips import lay_masks, write_clip
from tests.small_run import narrow
from tests.tiers import keep_few

# Groups whose options are tried below, and those that are only text or places.
TRAIN_GROUPS = {
    "model",
    "backbone",
    "normalize",
    "data",
    "augment",
    "loss",
    "supervision",
    "metrics",
    "optimizer",
    "scheduler",
    "trainer",
    "callbacks",
    "logger",
    "experiment",
    "debug",
    "find",
}
OTHER_GROUPS = {
    "paths",
    "hydra",
    "remover",
    "refine",
    "backend",
    "shared",
    "sweep",
}  # sweep: tests/programs/test_sweep.py


def options(group: str) -> list[str]:
    return list_options(CONF_DIR / group)


def every(group: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("option", options(group))


STREET = (
    "{source: {_target_: outtake.data.scenes.Scenes, height: 64, width: 96, frames_per_clip: 1, "
    "clips: {train: 1, val: 1, test: 1}}, labels: {ball: null}}"
)


def given(option: str, tmp_path: Path) -> list[str]:
    """What an option can not do without."""
    return {
        "folder": [f"data.root={tmp_path}"],
        "combined": [f"data.source.members={{one: {STREET}, two: {STREET}}}"],
        "distillation": [f"supervision.teacher={tmp_path}"],
    }.get(option, [])


def test_no_group_is_forgotten() -> None:
    groups = {path.name for path in CONF_DIR.iterdir() if path.is_dir()}
    assert groups == TRAIN_GROUPS | OTHER_GROUPS


@pytest.mark.parametrize("program", ["evaluate", "predict", "infer_video", "export"])
def test_every_refiner_is_built_wherever_it_is_chosen(program: str) -> None:
    for option in options("refine"):
        cfg = compose(program, [f"refine={option}"])
        assert bool(cfg.refine) == (option != "auto")
        if cfg.refine:
            assert isinstance(instantiate(cfg.refine), Refiner)


@pytest.mark.parametrize(
    "overrides",
    [
        ["data=clip", "data.source.mask_options={channel: alpha, ids: [1]}"],
        ["loss=deep_supervision", "+loss.weights.detail=1"],
        ["loss=weighted_sum", "+loss.weights.lovasz=0.5"],
    ],
)
def test_what_a_page_or_a_comment_gives_as_an_example_composes(overrides: list[str]) -> None:
    compose("train", overrides)


@cache
def compose_model(option: str) -> DictConfig:
    given = ["model._target_=torch.nn.Identity"] if option == "custom" else []
    return compose("train", [f"model={option}", *given])


@pytest.mark.parametrize("group", sorted(TRAIN_GROUPS - {"model"}))  # composed below
def test_every_option_composes(group: str, tmp_path: Path) -> None:
    for option in options(group):
        cfg = compose("train", [f"{group}={option}", *given(option, tmp_path)])
        assert OmegaConf.to_yaml(cfg, resolve=False)


@every("model")
def test_every_model_is_built_and_predicts(option: str) -> None:
    cfg = compose_model(option)
    assert OmegaConf.to_yaml(cfg, resolve=False)
    if option == "custom":
        assert isinstance(build_net(cfg.model, 3, 3), torch.nn.Identity)
        return
    names, _ = accepted_arguments(cfg.model._target_)
    takes = "encoder_name" in names or "members" in names  # a late fusion passes it on
    assert takes or cfg.model.encoder_name is None, "it records a backbone"
    # Shapes alone: some have 400 million weights. tests/contracts trains a step of each.
    with torch.device("meta"), torch.inference_mode():
        net = build_net(cfg.model, 3, 3).eval()
        assert net(torch.zeros(1, 3, 40, 50)).shape == (1, 3, 40, 50)


@every("model")
def test_what_a_network_drops_out_is_in_its_config_with_its_default(option: str) -> None:
    if option == "custom":
        return
    node = compose_model(option).model
    target = hydra.utils.get_object(node._target_)
    if target is SmpNet:
        network = segmentation_models_pytorch.MODEL_ARCHITECTURES_MAPPING[node.architecture]
        target = network
    parameters = inspect.signature(target).parameters
    dropped = {name: each for name, each in parameters.items() if "dropout" in name}
    assert dropped.keys() <= node.keys()
    if target.__module__.startswith("outtake."):
        of_data = {"classes", "in_channels", "pixel_scale", "member_channels"}
        assert parameters.keys() - of_data <= node.keys(), "every option is in the yaml"
    if "/" not in option:  # those of image-segmentation-keras drop what that library drops
        assert {n: node[n] for n in dropped} == {n: each.default for n, each in dropped.items()}


@every("backbone")
def test_every_backbone_carries_an_fcn(option: str) -> None:
    cfg = compose("train", [f"backbone={option}"])
    with torch.device("meta"), torch.inference_mode():
        net = build_net(cfg.model, 3, 1).eval()
        assert net(torch.zeros(1, 1, 40, 50)).shape == (1, 3, 40, 50)


@every("data")
def test_every_data_option_reads_a_sample(option: str, tmp_path: Path, request) -> None:
    extra = given(option, tmp_path)
    if option == "camvid":
        extra = [f"data.root={request.getfixturevalue('camvid_root')}"]
    if option in ("folder", "packed"):
        write_pairs(tmp_path)
    if option == "packed":
        pack(Folder(str(tmp_path)), tmp_path / "shards", 2**20)
        extra = [f"data.root={tmp_path / 'shards'}"]
    if option == "clip":
        write_clip(tmp_path / "clip.mkv")
        lay_masks(tmp_path / "masks")
        extra = [f"data.root={tmp_path}", "data.source.video=clip.mkv", "data.source.masks=masks"]
    if option == "scenes":
        extra = ["data.source.clips={train:1,val:1,test:1}"]
    if option in TREES:
        extra = [f"data.root={make_tree(option, tmp_path)}"]
    cfg = compose("train", [f"data={option}", "data.workers=0", "data.cache=false", *extra])
    data = build_data(cfg)
    data.setup("fit")
    batch = next(iter(data.train_dataloader()))
    assert batch["image"].dtype == torch.uint8 and batch["mask"].dtype == torch.int64
    assert batch["image"].shape[2:] == batch["mask"].shape[1:]


@every("augment")
def test_every_augmentation_runs(option: str) -> None:
    small = ["data.workers=0", "data.cache=false", "data.source.clips={train:1,val:1,test:1}"]
    data = build_data(compose("train", [f"augment={option}", *small]))
    data.setup("fit")
    assert next(iter(data.train_dataloader()))["image"].float().std() > 1


@every("loss")
def test_every_loss_is_built(option: str) -> None:
    labels = LabelSpace.from_names(["road", "car"])
    given = ["loss._target_=torch.nn.CrossEntropyLoss"] if option == "custom" else []
    loss = build_loss(compose("train", [f"loss={option}", *given]).loss, labels)
    assert loss(torch.zeros(1, 2, 3, 3), torch.zeros(1, 3, 3, dtype=torch.long)) > 0


@pytest.mark.parametrize("option", ["cross_entropy", "cross_entropy_dice", "deep_supervision"])
def test_a_class_is_weighed_from_the_command_line(option: str) -> None:
    key = "loss.loss" if option == "deep_supervision" else "loss"
    given = f"{key}.class_factors={{traffic light: 3}}"
    labels = LabelSpace.from_names(["road", "traffic light"])
    loss = build_loss(compose("train", [f"loss={option}", given]).loss, labels)
    weights = [each for name, each in loss.named_buffers() if name.endswith("weight")]
    assert [each.tolist() for each in weights] == [[1, 3]]


@every("optimizer")
def test_every_optimizer_steps(option: str) -> None:
    if option.startswith("schedule_free"):
        pytest.importorskip("schedulefree")
    weight = torch.nn.Parameter(torch.ones(1))
    optimizer = instantiate(compose("train", [f"optimizer={option}"]).optimizer)([weight])
    weight.sum().backward()
    if averages_weights(optimizer):
        optimizer.train()
    optimizer.step()
    assert weight.item() < 1


@every("scheduler")
def test_every_scheduler_ends_lower_than_its_peak(option: str) -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0, momentum=0.9)
    schedule = instantiate(compose("train", [f"scheduler={option}"]).scheduler)(optimizer, 20)
    for _ in range(19):
        optimizer.step()
        schedule.step()
    assert optimizer.param_groups[0]["lr"] < 0.2


@pytest.mark.parametrize("group", ["trainer", "callbacks"])
def test_every_trainer_and_callback_set_is_built(group: str, tmp_path: Path) -> None:
    for option in options(group):
        cfg = compose("train", [f"{group}={option}"])
        if cfg.trainer.accelerator == "gpu" and not torch.cuda.is_available():
            cfg.trainer.accelerator, cfg.trainer.precision = "cpu", "32-true"
        trainer = make_trainer(cfg, RunFolder(tmp_path))
        assert trainer.max_epochs == cfg.trainer.max_epochs


@pytest.mark.parametrize(
    "option", keep_few(options("logger"), [name for name in options("logger") if name != "all"])
)
def test_every_logger_set_is_built_and_logs(option: str, tmp_path: Path) -> None:
    cfg = compose("train", [f"logger={option}", f"paths.runs={tmp_path}"])
    loggers = make_loggers(cfg, RunFolder(tmp_path / "run"))
    with dashboard_session(loggers, cfg, RunFolder(tmp_path / "run")):
        for logger in loggers[1:]:
            logger.log_metrics({"val/miou": 0.5}, step=1)
    places = {"tensorboard": "run/tensorboard", "wandb": "run/wandb", "mlflow": "mlflow.db"}
    places["trackio"] = "run/dashboards/trackio.id"  # its folder is the process's first
    for logger in loggers[1:]:
        assert (tmp_path / places[logger.name]).exists()
    assert [logger.name for logger in loggers[1:]] == list(cfg.logger)


@every("experiment")
def test_every_experiment_holds_deltas_only(option: str) -> None:
    text = (CONF_DIR / "experiment" / f"{option}.yaml").read_text()
    assert "@package _global_" in text
    # Those of the paper begin from a file, and have 134 million weights.
    small = ["model.encoder_weights=null", *narrow(option)] if narrow(option) else []
    cfg = compose("train", [f"experiment={option}", *small])
    with torch.device("meta"):
        build_net(cfg.model, 3, 3)


@every("remover")
def test_every_remover_is_built(option: str) -> None:
    cfg = compose("infer_video", [f"remover={option}", "checkpoint=x", "input=x", "output=x"])
    if OmegaConf.is_missing(cfg.remover, "path"):
        # tests/contracts/test_remover_contract.py builds these with a file.
        with pytest.raises(ConfigError, match=r"remover\.path has no value"):
            instantiate(cfg.remover)
    else:
        assert callable(instantiate(cfg.remover))


@pytest.mark.parametrize("option", ["clean_plate", "side_by_side"])
def test_one_key_limits_the_memory_of_every_remover_that_holds_frames(option: str) -> None:
    def looked_at(*overrides: str) -> int:
        places = ["checkpoint=x", "input=x", "output=x"]
        cfg = compose("infer_video", [f"remover={option}", *places, *overrides])
        context = instantiate(cfg.remover).context(1080, 1920)
        return int(context.before + context.after)

    plate = "remover.remover" if option == "side_by_side" else "remover"
    little = looked_at("job.max_memory_mb=100")
    assert little < looked_at()
    assert looked_at(f"{plate}.max_memory_mb=100") == little


@every("backend")
def test_every_backend_is_known_with_its_options(option: str) -> None:
    cfg = compose("infer_video", [f"backend={option}", "input=x", "output=x"])
    assert cfg.backend.name == option and option in BACKEND_NAMES


def test_the_config_of_a_run_holds_no_path_of_a_machine() -> None:
    cfg: DictConfig = compose("train", ["data=camvid"])
    text = OmegaConf.to_yaml(cfg, resolve=False)
    assert str(CONF_DIR.parent) not in text and "${paths.data}" in text


def write_pairs(root: Path) -> None:
    import cv2
    import numpy as np

    for split in ("train", "val"):
        for kind in ("images", "masks"):
            (root / split / kind).mkdir(parents=True)
        for i in range(2):
            picture = np.full((48, 64, 3), 40 * i + 60, np.uint8)
            mask = np.zeros((48, 64), np.uint8)
            mask[:, 32:] = 1
            cv2.imwrite(str(root / split / "images" / f"{i}.png"), picture)
            cv2.imwrite(str(root / split / "masks" / f"{i}.png"), mask)
