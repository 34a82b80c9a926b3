from __future__ import annotations

import re
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from outtake.config.instantiate import (
    ALLOW_TARGETS_VARIABLE,
    check_targets,
    instantiate,
    instantiate_with_available,
    select_entries,
)
from outtake.core.errors import ConfigError, ForbiddenTargetError, WeightsError

FORBIDDEN = [
    "os.system",
    "subprocess.Popen",
    "pathlib.Path.write_text",
    "builtins.eval",
    "torch.load",
    "torch.hub.load",
    "torch.nn.functional.os.system",
    "outtake.core.files.replace_text",
    "outtake.training.checkpoint_files.os.system",
    "outtake.training.checkpoint_files.save_checkpoint",
    "outtake.training.checkpoint_files.Path",
    "outtake.data.folder.Path",
    "albumentations.save",
    "pytorch_lightning.callbacks.Path",
    "hydra.utils.instantiate",
    "torch.nnx.Linear",
    "segmentation_models_pytorch.Unet",
    "segmentation_models_pytorch.losses.focal.partial",
    "torchmetrics.multimodal.CLIPScore",
    "torchvision.transforms.v2.functional.resize",
    "pytorch_lightning.callbacks.callback.pl.Trainer",
]


@pytest.mark.parametrize("target", FORBIDDEN)
def test_a_target_outside_the_allowlist_is_never_built(target: str) -> None:
    with pytest.raises(ConfigError) as caught:
        instantiate({"_target_": target, "_args_": ["touch canary"]})
    assert "_target_" in str(caught.value)


@pytest.mark.parametrize("node", [{"a": [{"b": {"_target_": "os.system"}}]}, {"_target_": ["x"]}])
def test_targets_are_found_at_any_depth_and_of_any_type(node) -> None:
    with pytest.raises(ForbiddenTargetError):
        check_targets(node)


def test_an_interpolated_target_is_judged_by_what_it_resolves_to() -> None:
    cfg = OmegaConf.create({"x": "os", "node": {"_target_": "${x}.system", "command": "true"}})
    with pytest.raises(ForbiddenTargetError, match=r"os\.system"):
        instantiate(cfg.node)


@pytest.mark.parametrize("escape", ["", "\\", "\\\\\\"])
def test_an_escaped_interpolation_is_not_resolved_behind_the_check(
    tmp_path: Path, escape: str
) -> None:
    canary = tmp_path / "canary"
    call = (
        f"{escape}${{oc.create:{{_target_:pathlib.Path.touch,"
        f"_args_:[{{_target_:pathlib.Path,_args_:['{canary}']}}]}}}}"
    )
    for extra in (call, [call], {"deep": call}):
        node = OmegaConf.create({"_target_": "torch.nn.Identity", "extra": extra})
        with pytest.raises(ConfigError):
            instantiate(node)
    assert not canary.exists()


def test_a_trusted_package_does_not_open_what_it_imports(monkeypatch) -> None:
    monkeypatch.setenv("OUTTAKE_ALLOW_TARGETS", __name__)
    for target in (f"{__name__}.re.compile", f"{__name__}.Path", f"{__name__}.OmegaConf"):
        with pytest.raises(ForbiddenTargetError):
            instantiate({"_target_": target})


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("torch.nn.Nope", "no such class; torch.nn has no Nope"),
        ("absent_package.Net", "absent_package cannot be imported: No module named"),
    ],
)
def test_a_class_that_is_not_there_is_named_in_one_line(
    target: str, said: str, monkeypatch, caplog
) -> None:
    monkeypatch.setenv(ALLOW_TARGETS_VARIABLE, "absent_package")
    with pytest.raises(ConfigError, match=re.escape(said)) as caught:
        instantiate({"_target_": target})
    assert "\n" not in str(caught.value) and not caplog.text


@pytest.mark.parametrize(
    ("target", "option", "said"),
    [
        ("outtake.models.fcn.FCN", "stripe", "stride?"),
        ("torchvision.transforms.v2.RandomHorizontalFlip", "q", "it takes p"),  # inherited
        ("outtake.training.schedules.one_cycle", "warmup_shar", "warmup_share?"),  # a function
    ],
)
def test_an_option_that_the_target_does_not_take_is_named(
    target: str, option: str, said: str
) -> None:
    with pytest.raises(ConfigError, match=f"{target} has no option {option}; ") as caught:
        instantiate({"inner": {"_target_": target, option: 1}})
    assert said in str(caught.value) and f"~GROUP.inner.{option} drops" in str(caught.value)


def test_a_users_error_inside_a_constructor_comes_out_as_it_is() -> None:
    node = {"_target_": "outtake.models.fcn.FCN", "classes": 2, "encoder_weights": "absent.pth"}
    with pytest.raises(WeightsError, match="absent"):
        instantiate(node)


def test_a_missing_value_names_its_key() -> None:
    cfg = OmegaConf.create({"data": {"root": "???"}})
    with pytest.raises(ConfigError, match=r"data\.root=VALUE|root=VALUE"):
        instantiate(cfg.data)


def test_a_constructor_is_passed_what_it_takes_of_what_there_is() -> None:
    available = {"in_features": 2, "out_features": 3, "classes": 4}
    layer = instantiate_with_available({"_target_": "torch.nn.Linear"}, "layer", available)
    assert (layer.in_features, layer.out_features) == (2, 3)
    own = {"_target_": "torch.nn.Linear", "out_features": 5}
    assert instantiate_with_available(own, "layer", available).out_features == 5


@pytest.mark.parametrize(
    "target",
    [
        "segmentation_models_pytorch.losses.FocalLoss",
        "torchmetrics.classification.MulticlassCohenKappa",
        "torchvision.transforms.v2.RandomAffine",
    ],
)
def test_classes_of_the_libraries_that_it_composes_are_allowed(target: str) -> None:
    check_targets({"_target_": target})


def test_an_entry_that_is_null_is_left_out_and_one_without_a_class_is_refused() -> None:
    node = OmegaConf.create({"a": {"_target_": "x"}, "b": None, "c": {"p": 0.5}})
    with pytest.raises(ConfigError, match=r"augment\.steps\.c has no _target_.*~augment\.steps\.c"):
        select_entries(node, "augment.steps")
    del node["c"]
    assert list(select_entries(node, "augment.steps")) == ["a"]
    assert select_entries(None, "callbacks") == {}
