from __future__ import annotations

import cv2
import numpy as np
import pytest

from outtake.core.errors import ConfigError
from outtake.removal.clean_plate.remover import CleanPlate
from tests.removal.clean_plate.clips import HEIGHT, WIDTH, disc, images, remove, texture, view


def save(path, picture) -> str:
    cv2.imwrite(str(path), picture[..., ::-1])
    return str(path)


def box(left: int) -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[30:66, left : left + 36] = True
    return mask


def error(image, truth, mask) -> float:
    return float(np.abs(image[mask].astype(int) - truth[mask]).mean())


def panning(frames: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """A pan in which the hole moves with the background, so that no frame shows what is there."""
    world = texture(2)
    truths = [view(world, 40 + 2 * number) for number in range(frames)]
    return truths, [box(80 - 2 * number) for number in range(frames)]


def test_what_was_painted_is_shown_before_and_after_its_frame(tmp_path, caplog):
    caplog.set_level("INFO")
    truths, masks = panning(24)
    painted = save(tmp_path / "clean.png", truths[12])
    unaided = images(remove(CleanPlate(), truths, masks))
    results = remove(CleanPlate(painted=[f"{painted}@{12 / 25}"]), truths, masks)
    for number in (0, 12, 23):
        inner = np.zeros_like(masks[number])
        inner[34:62] = masks[number][34:62]
        assert error(results[number].frame.image, truths[number], inner) < 2
        assert error(unaided[number], truths[number], inner) > 10
        assert results[number].statistics.observed > 0.99
    assert caplog.text.count("clean.png is trusted for what frame 12 hides (0.480 s)") == 1


def test_a_painted_place_is_recognised_from_afar(tmp_path):
    truths, masks = panning(24)
    painted = save(tmp_path / "clean.png", truths[2])
    # Its time is not within reach, as in another segment of the clip.
    results = remove(CleanPlate(painted=[f"{painted}@01:00:00"]), truths, masks)
    assert error(results[6].frame.image, truths[6], masks[6]) < 3


def test_it_is_trusted_more_than_what_frames_show(tmp_path):
    world = view(texture(3), 40)
    wanted = world.copy()
    wanted[40:50, 60:75] = (250, 20, 20)
    painted = save(tmp_path / "clean.png", wanted)
    masks = [disc(20 + 6 * number) for number in range(20)]
    results = images(remove(CleanPlate(painted=[f"{painted}@0"]), [world] * 20, masks))
    covered = np.zeros((HEIGHT, WIDTH), bool)
    covered[42:48, 62:73] = True
    assert error(results[8], wanted, covered & masks[8]) < 8


def test_another_scene_is_left_alone(tmp_path):
    truths, masks = panning(8)
    painted = save(tmp_path / "clean.png", view(texture(9), 40))
    plain = images(remove(CleanPlate(), truths, masks))
    results = images(remove(CleanPlate(painted=[f"{painted}@00:59"]), truths, masks))
    assert all(np.array_equal(*pair) for pair in zip(plain, results, strict=True))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", r"remover\.painted\[0\]=.*clean\.png: write PATH@TIME, as in clean\.png@00:03"),
        ("@0:03", "write PATH@TIME"),
        ("{}@soon", r"remover\.painted\[0\]=soon: give seconds"),
        ("missing.png@0", r"remover\.painted\[0\]: .*missing\.png"),
    ],
)
def test_what_cannot_be_used_is_one_line(tmp_path, text, message):
    painted = save(tmp_path / "clean.png", texture(1))
    with pytest.raises(ConfigError, match=message) as raised:
        CleanPlate(painted=[text.format(painted)])
    assert "\n" not in str(raised.value)


def test_another_size_is_refused_before_any_work(tmp_path):
    painted = save(tmp_path / "clean.png", np.zeros((50, 70, 3), np.uint8))
    plate = CleanPlate(painted=[f"{painted}@0"])
    assert plate.files() == (tmp_path / "clean.png",)
    plate.context(50, 70)
    with pytest.raises(ConfigError, match=r"clean\.png is 70x50, and what is filled is 144x96"):
        plate.context(HEIGHT, WIDTH)
