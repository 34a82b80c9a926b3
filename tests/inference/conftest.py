import pytest

from tests.inference.trained import TrainedCheckpoint, trained_task


@pytest.fixture
def trained(tmp_path):
    return TrainedCheckpoint(trained_task(), tmp_path / "best.ckpt")
