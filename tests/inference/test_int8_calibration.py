import pytest

from outtake.core.errors import ConfigError
from outtake.inference.open_backend import open_backend
from tests.inference.trained import SIZE, make_pictures


def test_int8_needs_images(trained):
    pytest.importorskip("openvino")
    with pytest.raises(ConfigError, match="no training images to calibrate with"):
        open_backend("openvino", trained, precision="int8")
    pytest.importorskip("nncf")
    backend = open_backend("openvino", trained, precision="int8", calibration=lambda: [])
    with pytest.raises(ConfigError, match="no training images to calibrate with"):
        backend(make_pictures(1, 0)[0], SIZE)
