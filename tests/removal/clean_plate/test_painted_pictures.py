from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from outtake.core.errors import ConfigError
from outtake.core.frames import MaskedFrame
from outtake.core.types import TimedFrame
from outtake.removal.clean_plate.frame_buffer import FrameBuffer
from outtake.removal.clean_plate.painted_pictures import find_frame
from outtake.removal.clean_plate.remover import CleanPlate
from outtake.removal.feather import FeatherRemover
from outtake.removal.field_remover import FieldRemover
from outtake.removal.side_by_side import SideBySide
from outtake.video.read.probe import VideoInfo
from tests.removal.clean_plate.clips import HEIGHT, WIDTH, disc, images, remove, texture, view


def save(path, picture) -> str:
    cv2.imwrite(str(path), picture[..., ::-1])
    return str(path)


def info(height: int = HEIGHT, width: int = WIDTH, **more) -> VideoInfo:
    return VideoInfo(Path("clip.mkv"), width, height, Fraction(25), Fraction(1, 25), **more)


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
    assert caplog.text.count("clean.png, of 0.480 s, is trusted for what is hidden") == 1
    assert "does not look like" not in caplog.text


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
        (3, r"remover\.painted=3: write PATH@TIME, as in clean\.png@00:03, or a list of these"),
        (False, r"remover\.painted=False: write PATH@TIME"),
        ("{}", r"remover\.painted\[0\]=.*clean\.png: write PATH@TIME, as in clean\.png@00:03"),
        ("@0:03", "write PATH@TIME"),
        ("{}@", r"remover\.painted\[0\]=: give seconds"),
        ("{}@soon", r"remover\.painted\[0\]=soon: give seconds"),
        (
            "missing.png@0",
            r"^remover\.painted\[0\]: cannot read missing\.png: .*; replace .*, or leave it out$",
        ),
    ],
)
def test_what_cannot_be_used_is_one_line(tmp_path, text, message):
    painted = save(tmp_path / "clean.png", texture(1))
    with pytest.raises(ConfigError, match=message) as raised:
        CleanPlate(painted=[text.format(painted)] if isinstance(text, str) else text)
    assert "\n" not in str(raised.value)


def test_one_picture_needs_no_list_and_none_is_none(tmp_path):
    painted = save(tmp_path / "clean.png", texture(1))
    assert CleanPlate(painted=f"{painted}@0").files() == (tmp_path / "clean.png",)
    assert CleanPlate(painted=None).files() == ()


def test_two_pictures_of_one_time_and_a_transparent_one_are_refused(tmp_path):
    first, second = (save(tmp_path / name, texture(1)) for name in ("a.png", "b.png"))
    with pytest.raises(ConfigError, match=r"a\.png and .*b\.png are of the same time"):
        CleanPlate(painted=[f"{first}@1.5", f"{second}@00:01.5"])
    opaque = np.full(texture(1).shape[:2], 255, np.uint8)
    cut = opaque.copy()
    cut[5:9, 5:9] = 0
    for alpha in (opaque, cut):
        cv2.imwrite(first, np.dstack((texture(1), alpha)))
        if alpha is opaque:
            CleanPlate(painted=f"{first}@0")
            continue
        with pytest.raises(ConfigError, match=r"\[0\]: .*a\.png is transparent somewhere; save"):
            CleanPlate(painted=f"{first}@0")
    # One of its colours stands for transparent.
    picture = texture(1)
    Image.fromarray(picture).save(first, transparency=tuple(picture[0, 0].tolist()))
    with pytest.raises(ConfigError, match=r"\[0\]: .*a\.png is transparent somewhere; save"):
        CleanPlate(painted=f"{first}@0")


def test_a_picture_of_another_frame_than_it_is_said_to_be_of_has_a_line(tmp_path, caplog):
    truths, masks = panning(12)
    painted = save(tmp_path / "clean.png", truths[10])
    results = images(remove(CleanPlate(painted=f"{painted}@{2 / 25}"), truths, masks))
    assert "clean.png does not look like frame 2 (0.080 s) around what is removed" in caplog.text
    plain = images(remove(CleanPlate(), truths, masks))
    assert np.array_equal(results[2], plain[2])


def test_a_picture_is_reduced_to_the_frames_of_a_preview(tmp_path):
    truths, masks = panning(8)
    large = cv2.resize(truths[4], (2 * WIDTH, 2 * HEIGHT), interpolation=cv2.INTER_CUBIC)
    painted = save(tmp_path / "clean.png", large)
    results = remove(CleanPlate(painted=f"{painted}@{4 / 25}"), truths, masks)
    inner = np.zeros_like(masks[6])
    inner[34:62] = masks[6][34:62]
    assert error(results[6].frame.image, truths[6], inner) < 4


def test_another_size_and_fields_are_refused_before_any_work(tmp_path):
    painted = save(tmp_path / "clean.png", np.zeros((50, 70, 3), np.uint8))
    plate = CleanPlate(painted=[f"{painted}@0"])
    assert plate.files() == (tmp_path / "clean.png",)
    for around in (plate, SideBySide(plate), FeatherRemover(plate, 0.01)):
        assert around.check_clip(info(50, 70)) == ()
        with pytest.raises(ConfigError, match=r"clean\.png is 70x50, and .* are 144x96"):
            around.check_clip(info())
    with pytest.raises(ConfigError, match=r"interlaced.*read\.deinterlace=bwdif"):
        FieldRemover(plate, "tff").check_clip(info(50, 70, field_order="tff"))
    assert CleanPlate().check_clip(info(field_order="tff")) == ()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"duration_s": 4.0}, False),
        ({"duration_s": 3.0}, True),
        ({"duration_s": None}, False),
        ({"duration_s": 4.0, "start_s": 3.5}, True),
        ({"duration_s": 1.0, "start_s": 2.5}, False),
        ({"duration_s": 1.0, "start_s": 2.5, "end_s": 2.9}, True),
    ],
)
def test_a_time_that_is_not_read_has_a_line(tmp_path, more, said):
    painted = save(tmp_path / "clean.png", np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    lines = CleanPlate(painted=f"{painted}@00:03.2").check_clip(info(**more))
    assert len(lines) == said and all("clean.png is of 3.2 s, and what is" in one for one in lines)


@pytest.mark.parametrize(
    ("ticks", "last_duration", "time_s", "number"),
    [
        (40, None, "0.12", 3),
        (40, None, "0.125", 3),
        (40, None, "0.199", 4),  # within the last frame, which is shown as long as the one before
        (40, None, "0.2", None),
        (40, 90, "0.245", 4),
        (40, 90, "0.25", None),
        (40, 10, "0.172", None),
        (Fraction(100, 3), None, "0.033", 1),  # as a report rounds the time of frame 1
        (Fraction(1, 2), None, "0.001", 2),  # frames that are closer than times are rounded
    ],
)
def test_the_frame_of_a_time_is_the_one_that_is_shown(ticks, last_duration, time_s, number):
    mask = np.zeros((20, 30), bool)
    frames = [
        TimedFrame(np.zeros((20, 30, 3), np.uint8), t, Fraction(ticks) / 1000) for t in range(5)
    ]
    if last_duration is not None:
        frames[-1] = replace(frames[-1], last_frame_duration=Fraction(last_duration, ticks))
    window = list(FrameBuffer(8, 1 << 20)(MaskedFrame(frame, mask) for frame in frames))[1]
    found = find_frame(window, Fraction(time_s))
    assert (None if found is None else found.number) == number


def test_a_picture_that_is_not_used_has_a_line(tmp_path, caplog):
    truths, masks = panning(8)
    masks[6:] = [np.zeros_like(masks[0])] * 2
    elsewhere = save(tmp_path / "clean.png", view(texture(9), 40))
    remove(CleanPlate(painted=f"{elsewhere}@{6.5 / 25}"), truths, masks)
    assert caplog.text.count("clean.png, of 0.260 s, is not used: nothing is removed from the") == 1
    caplog.clear()
    # Its time is that of another segment, or it is said already that it does not fit.
    remove(CleanPlate(painted=f"{elsewhere}@5"), truths, masks)
    remove(CleanPlate(painted=f"{elsewhere}@{2 / 25}"), truths, masks)
    painted = save(tmp_path / "painted.png", truths[6])
    remove(CleanPlate(painted=f"{painted}@{6 / 25}"), truths, masks)
    assert "is not used:" not in caplog.text
