"""Score a checkpoint: ``python evaluate.py checkpoint=runs/NAME split=val``."""

import hydra
from omegaconf import DictConfig

from outtake.programs.command_line import print_user_errors, run_program


@hydra.main(version_base="1.3", config_path="conf", config_name="evaluate")
def main(cfg: DictConfig) -> None:
    """Compose, evaluate, write ``metrics.json`` and ``report.html``."""
    with print_user_errors():
        from outtake.programs.evaluate import evaluate

        evaluate(cfg)


if __name__ == "__main__":
    run_program(main)
