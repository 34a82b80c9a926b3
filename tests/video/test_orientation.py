import numpy as np

from outtake.video.orientation import Orientation


def test_a_mirrored_display_matrix_is_applied():
    picture = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    matrix = np.array([-1, 0, 0, 0, 1, 0, 0, 0, 0], "<i4") * 65536
    orientation = Orientation.from_display_matrix(matrix.tobytes())
    assert np.array_equal(orientation.apply(picture), picture[:, ::-1])
