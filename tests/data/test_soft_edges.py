import cv2
import numpy as np
import pytest

from outtake.core.errors import ConfigError, LabelValueError
from outtake.data.folder import Folder
from outtake.data.soft_edges import count_values, find_soft_edges
from outtake.data.source import DataWarning
from tests.data.generated import label_map, labels_of, make_folder, picture, save

COLOURS = np.array([[0, 0, 0], [200, 0, 0], [0, 0, 220]], np.uint8)


def blob(height=48, width=64, value=255):
    mask = np.zeros((height, width), np.uint8)
    cv2.ellipse(mask, (width // 2, height // 2), (width // 4, height // 3), 20, 0, 360, value, -1)
    return mask


SOFT = {
    "enlarged": cv2.resize(blob(), (151, 117)),
    "reduced": cv2.resize(blob(480, 640), (96, 72), interpolation=cv2.INTER_AREA),
    "smoothed": cv2.GaussianBlur(blob(120, 160), (0, 0), 3),
    "widely smoothed": cv2.GaussianBlur(blob(240, 320), (0, 0), 12),
    "compressed": cv2.imdecode(cv2.imencode(".jpg", blob(120, 160))[1], cv2.IMREAD_GRAYSCALE),
}


@pytest.mark.parametrize("mask", SOFT.values(), ids=SOFT.keys())
def test_black_and_white_with_soft_edges_is_recognised(mask):
    found = find_soft_edges(count_values(mask, mask))
    assert found is not None and found.areas == (0, 255)


@pytest.mark.parametrize(
    "mask",
    [
        label_map(0, classes=9),
        blob(),
        np.random.default_rng(0).integers(0, 12, (40, 40), np.uint8),
        np.tile(np.arange(256, dtype=np.uint8), (40, 1)),
    ],
    ids=["ids", "black and white", "noise", "a gradient"],
)
def test_hard_edges_are_not(mask):
    assert find_soft_edges(count_values(mask, mask)) is None


def test_thin_classes_are_no_rims():
    mask = np.zeros((60, 60), np.uint8)
    mask[30:] = 9
    for row, value in enumerate((1, 2, 3, 4)):
        mask[6 * row + 3] = value
    assert find_soft_edges(count_values(mask, mask)) is None


def test_they_are_never_trained_on_in_silence(tmp_path):
    with pytest.raises(LabelValueError, match=r"soft edges.*0, 255; set.*nearest.*threshold=128"):
        make_folder(tmp_path, [blob(117, 151), SOFT["enlarged"]])


def test_nearest_is_a_threshold_for_black_and_white(tmp_path):
    mask = SOFT["enlarged"]
    save(tmp_path / "images/a.png", picture(0, mask.shape))
    save(tmp_path / "masks/a.png", mask)
    with pytest.warns(DataWarning, match="soft edges: .* given to the nearer one"):
        source = Folder(str(tmp_path), soft_edges="nearest")
    assert source.labels.names == ("background", "foreground")
    assert np.array_equal(labels_of(source), mask >= 128)
    assert np.array_equal(labels_of(Folder(str(tmp_path), threshold=128)), mask >= 128)
    with pytest.warns(DataWarning, match="are unlabelled"):
        rims = labels_of(Folder(str(tmp_path), soft_edges="unlabelled"))
    assert np.array_equal(rims == 255, (mask > 0) & (mask < 255))
    assert len(Folder(str(tmp_path), soft_edges="keep").labels.names) > 200


def test_black_white_and_soft_with_declared_names(tmp_path):
    mask = SOFT["enlarged"]
    save(tmp_path / "images/a.png", picture(0, mask.shape))
    save(tmp_path / "masks/a.png", mask)
    source = Folder(str(tmp_path), classes=["ground", "thing"], soft_edges="nearest")
    assert np.array_equal(labels_of(source), mask >= 128)
    asking = Folder(str(tmp_path), classes=["ground", "thing"])
    with pytest.raises(LabelValueError, match=r"thin rims.*soft_edges=nearest"):
        labels_of(asking)
    with pytest.raises(ConfigError, match="threshold=9 makes two classes, and there are 3"):
        Folder(str(tmp_path), classes=["a", "b", "c"], threshold=9)


def test_the_rim_between_two_colours_is_not_a_third_class(tmp_path):
    """Halfway from black to white lies grey, which is a class elsewhere in the picture."""
    wanted = np.zeros((80, 120), np.uint8)
    wanted[20:60, 20:60], wanted[20:60, 80:110] = 1, 2
    colours = np.array([[0, 0, 0], [240, 240, 240], [120, 120, 124]], np.uint8)[wanted]
    save(tmp_path / "images/a.png", picture(0, wanted.shape))
    save(tmp_path / "masks/a.png", cv2.GaussianBlur(colours, (0, 0), 1.5))
    with pytest.warns(DataWarning, match="soft edges"):
        source = Folder(str(tmp_path), soft_edges="nearest")
    names = {colour: label for label, colour in enumerate(source.labels.colours)}
    found = labels_of(source)
    assert len(names) == 3
    assert np.isin(found[15:65, 15:65], [names[0, 0, 0], names[240, 240, 240]]).all()


def test_soft_ellipses_in_colours(tmp_path):
    mask = np.zeros((90, 120), np.uint8)
    cv2.ellipse(mask, (40, 40), (20, 14), 0, 0, 360, 1, -1)
    cv2.ellipse(mask, (85, 55), (14, 20), 0, 0, 360, 2, -1)
    soft = cv2.GaussianBlur(COLOURS[mask], (0, 0), 1.2)
    save(tmp_path / "images/a.png", picture(0, mask.shape))
    save(tmp_path / "masks/a.png", soft)
    with pytest.raises(LabelValueError, match=r"soft edges.*\[0, 0, 220\], \[200, 0, 0\]"):
        Folder(str(tmp_path))
    with pytest.warns(DataWarning, match="soft edges"):
        source = Folder(str(tmp_path), soft_edges="nearest")
    assert source.labels.colours == ((0, 0, 0), (0, 0, 220), (200, 0, 0))
    assert (labels_of(source) == np.array([0, 2, 1])[mask]).mean() > 0.98


def test_jpeg_masks_are_taken_with_a_threshold(tmp_path):
    mask = blob()
    save(tmp_path / "images/a.png", picture(0, mask.shape))
    (tmp_path / "masks").mkdir()
    cv2.imwrite(str(tmp_path / "masks/a.jpg"), mask)
    source = Folder(str(tmp_path), threshold=128)
    assert (labels_of(source) == (mask > 0)).mean() > 0.99
