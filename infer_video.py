"""Remove objects from a video. See ``python infer_video.py --help`` and docs/video.md."""

import hydra
from omegaconf import DictConfig

from outtake.programs.command_line import print_user_errors, run_program


@hydra.main(version_base="1.3", config_path="conf", config_name="infer_video")
def main(cfg: DictConfig) -> None:
    """Compose the config and hand it on; the import is late so that --help is quick."""
    with print_user_errors():
        from outtake.programs.infer_video import infer_video

        infer_video(cfg)


if __name__ == "__main__":
    run_program(main)
