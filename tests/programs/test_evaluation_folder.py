from __future__ import annotations

from pathlib import Path

from outtake.config.build_refiner import choose_refine
from outtake.config.compose import compose
from outtake.config.evaluate_schema import EvaluateOptions
from outtake.config.load_trained import load_trained
from outtake.config.program_options import read_options
from outtake.programs.evaluation_folder import choose_evaluation_folder


def test_each_way_of_scoring_has_a_folder_of_its_own(small_run: Path) -> None:
    trained = load_trained(small_run)

    def name(*overrides: str) -> str:
        cfg = compose("evaluate", [f"checkpoint={small_run}", *overrides])
        options = read_options(EvaluateOptions, cfg)
        refine = choose_refine(options.refine, trained)
        return choose_evaluation_folder(trained, "camvid", options, refine).name

    assert name() == name("network.flip=false", "network.scales=[1]") == "camvid-val"
    assert name("network.flip=true", "split=test") == "camvid-test-flip"
    ways = "network.short_side=96", "network.scales=[0.75,1]", "network.window=[64,96]"
    assert name(*ways) == "camvid-val-short_side-96-scales-0.75-1-window-64x96-0.25"
    smooth = name("refine=smooth")
    assert smooth.startswith("camvid-val-smooth-") and smooth != name(
        "refine=smooth", "refine.sigma=9"
    )
