"""The procedural source: what it promises about bytes, labels, truth and motion."""

from __future__ import annotations

import hashlib
import pickle
import subprocess
import sys

import numpy as np
import pytest

from outtake.core.errors import ConfigError, DataRootError, EmptySplitError, UnknownClassError
from outtake.data.scenes import ByteCache, Scenes
from outtake.data.source import Sample

SPLITS = ("train", "val", "test")
OBJECT_IDS = (5, 6, 7)
# Change these only together with outtake.data.scenes.VERSION.
GOLDEN = {
    ("train", 0, 0): "f8c9a5f0dead5d0f0930eb83d6f7d8c8d3eba3ae23ef96bb15c5fa588eafb7bb",
    ("val", 3, 41): "bd9224335b78cdc79490aa60bb354929e636bf7dc27a27ede75efd9ba6bcb224",
    ("test", 1, 1000): "adcd99e1dc20486e5939e41c6390e81011af07cad82ae3a78d51690b941b5aef",
}


WET = "5b601938045f8335e5363d6ab9561f63b6680236b7c7939e796bea4fb543d2a3"


def digest(split: str, index: int, t: int, **options: int) -> str:
    frame = Scenes(**options).clip(split, index, t + 1).frame(t)
    parts = (frame.image, frame.labels, frame.background, frame.shadow)
    return hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()


def is_object(labels: np.ndarray) -> np.ndarray:
    return np.isin(labels, OBJECT_IDS)


def grown(mask: np.ndarray) -> np.ndarray:
    """A mask and its eight neighbours: an edge pixel may be covered less than half."""
    padded = np.pad(mask, 1)
    height, width = mask.shape
    shifts = [(dy, dx) for dy in range(3) for dx in range(3)]
    return np.logical_or.reduce([padded[y : y + height, x : x + width] for y, x in shifts])


@pytest.mark.parametrize("place", GOLDEN)
def test_the_bytes_are_those_of_every_other_machine(place):
    assert digest(*place) == GOLDEN[place]


def test_the_bytes_of_wet_roads_are_those_of_every_other_machine():
    assert digest("val", 0, 5, height=64, width=96, wet=True) == WET


def test_a_fresh_process_draws_the_same_bytes():
    program = (
        "import hashlib; from outtake.data.scenes import Scenes;"
        "f = Scenes(seed=9, height=64, width=96).clip('val', 2, 8).frame(7);"
        "p = (f.image, f.labels, f.background, f.shadow);"
        "print(hashlib.sha256(b''.join(x.tobytes() for x in p)).hexdigest())"
    )
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert out.stdout.decode().strip() == digest("val", 2, 7, seed=9, height=64, width=96)


def test_another_seed_draws_another_picture():
    pictures = {digest("train", 0, 0, seed=seed, height=64, width=96) for seed in range(8)}
    assert len(pictures) == 8


def test_splits_and_clips_share_no_frame():
    source = Scenes(height=64, width=96, clips={"train": 6, "val": 6, "test": 6})
    pairs = [pair for split in SPLITS for pair in source.samples(split)]
    assert len({source.read_image(pair).tobytes() for pair in pairs}) == len(pairs) == 3 * 6 * 8


def test_any_order_and_any_length_gives_the_same_frames():
    source = Scenes(height=64, width=96)
    in_order = [frame.image for frame in source.clip("val", 1, 10)]
    again = Scenes(height=64, width=96).clip("val", 1, 500)
    for t in (7, 2, 9, 0):
        assert np.array_equal(again.frame(t).image, in_order[t])


@pytest.mark.parametrize("split", SPLITS)
def test_every_class_appears_in_every_split_and_nothing_else(split):
    source = Scenes(height=96, width=144, clips={"train": 4, "val": 4, "test": 4})
    masks = [source.read_mask(pair) for pair in source.samples(split)]
    assert set(np.unique(np.stack(masks))) == set(range(len(source.labels.names)))
    share = [np.mean([(mask == label).any() for mask in masks]) for label in range(8)]
    assert min(share) > 0.8


def test_outside_objects_and_shadows_a_frame_is_its_background_bit_for_bit():
    for t, frame in enumerate(Scenes().clip("test", 0, 12)):
        touched = grown(is_object(frame.labels)) | frame.shadow
        assert np.array_equal(frame.image[~touched], frame.background[~touched]), t
        assert 0.05 < touched.mean() < 0.75


def test_shadows_darken_and_lie_outside_objects():
    frame = Scenes().clip("val", 0, 1).frame(0)
    assert frame.shadow.any() and not (frame.shadow & is_object(frame.labels)).any()
    clear = frame.shadow & ~grown(is_object(frame.labels))
    before = frame.background[clear].astype(int).sum(axis=1)
    after = frame.image[clear].astype(int).sum(axis=1)
    assert (after < before).all() and after.mean() < 0.8 * before.mean()


def test_outside_objects_shadows_and_reflections_a_wet_street_is_its_background():
    clip = Scenes(wet=True).clip("test", 0, 12)
    for t in (0, 7):
        frame = clip.frame(t)
        assert frame.reflection.any() and not (frame.reflection & is_object(frame.labels)).any()
        touched = grown(is_object(frame.labels)) | frame.shadow | frame.reflection
        assert np.array_equal(frame.image[~touched], frame.background[~touched])
        left_out = clip.frame(t, without=("car", "person", "ball"))
        assert np.array_equal(left_out.image, frame.background) and not left_out.reflection.any()


def test_a_wet_road_mirrors_what_stands_on_it_and_is_else_the_same_street():
    dry, wet = (Scenes(wet=water).clip("val", 0, 1).frame(0) for water in (False, True))
    assert np.array_equal(dry.labels, wet.labels) and not dry.reflection.any()
    ground = dry.labels == 4
    assert not (wet.reflection & ~ground).any(), "only roads are wet"
    assert np.array_equal(dry.background[:140], wet.background[:140]), "above the road"
    assert not np.array_equal(dry.background[ground], wet.background[ground])
    only = wet.reflection & ~wet.shadow
    change = np.abs(wet.image[only].astype(int) - wet.background[only]).max(axis=1)
    assert change.mean() > 10


def test_water_is_part_of_what_a_sample_is():
    sample = Sample(id="val/0000/00000", image="val/0000/00000", mask="val/0000/00000")
    dry, wet = (Scenes(wet=water) for water in (False, True))
    assert dry.sample_bytes(sample) != wet.sample_bytes(sample)
    with pytest.raises(ConfigError, match=r"data.source.wet=1: must be true or false"):
        Scenes(wet=1)


def test_without_all_objects_only_the_background_is_left():
    clip = Scenes(height=96, width=144).clip("train", 5, 30)
    frame = clip.frame(29, without=("car", "person", "ball"))
    assert np.array_equal(frame.image, frame.background)
    assert np.array_equal(frame.background, clip.frame(29).background)
    assert not frame.shadow.any() and not is_object(frame.labels).any()


def test_without_one_class_the_others_stay_and_show_what_it_hid():
    clip = Scenes().clip("val", 0, 60)
    uncovered = 0
    for t in (10, 30, 50):
        full, clean = clip.frame(t), clip.frame(t, without=("car",))
        cars = full.labels == 5
        assert not (clean.labels == 5).any()
        others = is_object(full.labels) & ~cars
        assert np.array_equal(full.labels[others], clean.labels[others])
        uncovered += int(is_object(clean.labels)[cars].sum())
        touched = grown(cars) | full.shadow
        assert np.array_equal(full.image[~touched], clean.image[~touched])
    assert uncovered > 0


def test_objects_move_leave_and_come_in():
    labels = np.stack([frame.labels for frame in Scenes(height=96, width=144).clip("val", 0, 96)])
    for label in OBJECT_IDS:
        at_left, at_right = (labels[:, :, side] == label for side in (0, -1))
        assert at_left.any() and at_right.any()
    # What is behind an object is seen sooner or later: no pixel is hidden for a whole clip.
    assert not is_object(labels).all(axis=0).any()


def test_the_camera_moves_smoothly_and_less_than_four_pixels_a_frame():
    source = Scenes()
    for index in range(6):
        camera = source._get_scene("val", index).camera
        places = (
            np.array([(v.centre_x, v.centre_y) for v in map(camera.view_at, range(200))]) / 65536
        )
        steps = np.abs(np.diff(places, axis=0))
        assert steps.max() < 4 and steps[:, 0].mean() > 0.9


@pytest.mark.parametrize(
    "size", [(97, 131), (64, 64), (64, 720), (720, 64), (33, 47), (192, 288), (320, 480)]
)
def test_any_size_works_even_and_odd(size):
    height, width = size
    source = Scenes(height=height, width=width)
    clip = source.clip("train", 1, 400)
    for t in (0, 75, 399):
        frame = clip.frame(t)
        assert frame.image.shape == frame.background.shape == (height, width, 3)
        assert frame.labels.shape == frame.shadow.shape == (height, width)
        assert frame.image.dtype == frame.labels.dtype == np.uint8
        assert frame.labels.max() < len(source.labels.names)


@pytest.mark.parametrize("size", [(64, 720), (720, 64), (97, 131)])
def test_the_backdrop_reaches_beyond_every_view(size):
    source = Scenes(height=size[0], width=size[1])
    world = source._get_scene("train", 0)
    for t in range(0, 4000, 7):
        x, y = world.camera.view_at(t).pixel_positions(world.layout)
        assert y.min() >= 1 << 16 and y.max() >> 16 < world.layout.backdrop_height - 2
        assert (x.max() - x.min()) >> 16 < 1.1 * size[1] / 0.95


def test_pairs_are_named_by_split_clip_and_frame():
    source = Scenes(clips={"val": 2}, frames_per_clip=3, frame_step=5)
    names = [pair.id for pair in source.samples("val")]
    assert names[:4] == ["val/0000/00000", "val/0000/00005", "val/0000/00010", "val/0001/00000"]
    assert len(names) == 6 and len(source.samples("train")) == 180
    assert all(pair.id == pair.image == pair.mask for pair in source.samples("val"))


def test_samples_are_the_frames_of_the_clip_and_nobody_can_spoil_them():
    source = Scenes(height=64, width=96)
    pair = source.samples("val")[11]
    image, mask = source.read_image(pair), source.read_mask(pair)
    frame = source.clip("val", 1, 100).frame(36)
    assert pair.id == "val/0001/00036"
    assert np.array_equal(image, frame.image) and np.array_equal(mask, frame.labels)
    image[:] = 0
    assert np.array_equal(source.read_image(pair), frame.image)


def test_the_fingerprint_tells_seeds_sizes_and_samples_apart():
    sources = [Scenes(), Scenes(seed=1), Scenes(height=64), Scenes(width=64)]
    pairs = sources[0].samples("train")[:2]
    contents = {source.sample_bytes(pair) for source in sources for pair in pairs}
    assert len(contents) == 8
    assert Scenes().sample_bytes(pairs[0]) == sources[0].sample_bytes(pairs[0])


def test_a_pickled_source_draws_the_same_and_carries_no_pictures():
    source = Scenes(height=64, width=96)
    pair = source.samples("train")[0]
    image = source.read_image(pair)
    packed = pickle.dumps(source)
    assert len(packed) < 4000
    assert np.array_equal(pickle.loads(packed).read_image(pair), image)


@pytest.mark.parametrize(
    "options",
    [
        {"seed": -1},
        {"height": 8},
        {"width": 10_000},
        {"width": 96.5},
        {"frames_per_clip": 0},
        {"frame_step": 0},
        {"clips": {"dev": 1}},
        {"clips": {"val": -1}},
        {"clips": {"val": True}},
    ],
)
def test_values_out_of_range_are_named(options):
    with pytest.raises(ConfigError, match=next(iter(options)) + r"|dev"):
        Scenes(**options)


def test_what_does_not_exist_is_said_in_one_line():
    source = Scenes(height=64, width=96, clips={"test": 0})
    with pytest.raises(ConfigError, match="train, val, test"):
        source.samples("dev")
    with pytest.raises(EmptySplitError, match="test"):
        source.samples("test")
    with pytest.raises(UnknownClassError, match="car, person, ball"):
        source.clip("val", 0, 1).frame(0, without=("sky",))
    with pytest.raises(DataRootError, match="photo"):
        source.read_image(Sample("photo.png", "photo.png", "photo.png"))
    with pytest.raises(IndexError):
        source.clip("val", 0, 5).frame(5)


def test_the_cache_forgets_the_least_recently_used_first():
    made: list[int] = []
    cache = ByteCache[int, int](limit_bytes=20)
    for key in (1, 2, 1, 3, 1, 2):
        cache.get(key, lambda key=key: made.append(key) or key, lambda _: 10)
    assert made == [1, 2, 3, 2]
