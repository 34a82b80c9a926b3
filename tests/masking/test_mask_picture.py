"""Pictures of masks that cannot be read are answered in one line."""

import numpy as np
import pytest
import tifffile

from outtake.core.errors import VideoError
from outtake.masking.mask_picture import read_mask_picture
from outtake.video.read.safety_limits import SafetyLimits


def test_a_tiff_that_points_beyond_its_end_is_damaged(tmp_path):
    file = tmp_path / "m.tif"
    tifffile.imwrite(file, np.zeros((8, 8), np.uint16))
    content = bytearray(file.read_bytes())
    content[4:8] = (2**31).to_bytes(4, "little")  # where its first picture is described
    file.write_bytes(content)
    with pytest.raises(VideoError, match="it is damaged or not a picture"):
        read_mask_picture(file, SafetyLimits())
