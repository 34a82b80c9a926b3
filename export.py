"""Write a trained network as one zip: ``python export.py checkpoint=runs/NAME``."""

import hydra
from omegaconf import DictConfig

from outtake.programs.command_line import print_user_errors, run_program


@hydra.main(version_base="1.3", config_path="conf", config_name="export")
def main(cfg: DictConfig) -> None:
    """Compose, export."""
    with print_user_errors():
        from outtake.programs.export import export

        export(cfg)


if __name__ == "__main__":
    run_program(main)
