import copy
import pickle
import warnings

import albumentations as A
import cv2
import numpy as np
import pytest
import torch
from torchvision.transforms import v2

from outtake.core.errors import ConfigError
from outtake.data.augmentation import Augmentation
from outtake.data.crop import RandomCrop
from tests.data.generated import label_map, picture


def make(steps, crop, ignore_index, seed):
    return Augmentation(steps, crop and RandomCrop(crop, ignore_index), ignore_index, seed)


def steps():
    return [
        A.RandomScale(scale_limit=(-0.25, 0.5), p=1.0),
        A.HorizontalFlip(p=0.5),
        A.RandomBrightnessContrast(p=0.8),
        A.OneOf([A.GaussNoise(p=1.0), A.GaussianBlur(p=1.0)], p=0.5),
    ]


def draw(augmentation, epoch, index, size=(40, 50)):
    return augmentation(picture(0, size), label_map(0, size), epoch, index)


def test_a_draw_depends_on_seed_epoch_and_index_alone():
    first, second = make(steps(), (24, 32), 255, 7), make(steps(), (24, 32), 255, 7)
    forward = {key: draw(first, *key) for key in [(0, 0), (0, 1), (1, 0), (5, 3)]}
    for key in reversed(forward):
        for one, other in zip(draw(second, *key), forward[key], strict=True):
            assert np.array_equal(one, other)


def test_no_draw_is_repeated_over_epochs_samples_and_seeds():
    results = [
        draw(augmentation, epoch, index)[0].tobytes()
        for augmentation in (make(steps(), (24, 32), 255, seed) for seed in (0, 1))
        for epoch in range(6)
        for index in range(6)
    ]
    assert len(set(results)) == len(results)


def test_global_random_state_is_neither_read_nor_moved():
    augmentation = make(steps(), (24, 32), 255, 0)
    np.random.seed(1)
    before = np.random.get_state()[1].tobytes()
    first = draw(augmentation, 0, 0)[0]
    assert np.random.get_state()[1].tobytes() == before
    np.random.seed(2)
    assert np.array_equal(draw(augmentation, 0, 0)[0], first)


def test_image_and_mask_go_the_same_way():
    moves = [A.RandomScale(scale_limit=(-0.4, 0.6), p=1.0), A.HorizontalFlip(), A.VerticalFlip()]
    mask = np.zeros((60, 60), np.uint8)
    mask[:30, :30] = 1
    image = (mask * 200)[..., None].repeat(3, 2)
    augmentation = make(moves, (48, 48), 255, 0)
    for index in range(20):
        moved, moved_mask = augmentation(image, mask, 0, index)
        known = moved_mask != 255
        inner = cv2.erode((moved_mask == 1).astype(np.uint8), np.ones((5, 5), np.uint8)) == 1
        outer = cv2.dilate((moved_mask == 1).astype(np.uint8), np.ones((5, 5), np.uint8)) == 0
        assert (moved[inner] == 200).all()
        assert (moved[outer & known] == 0).all()


@pytest.mark.parametrize(
    "step",
    [
        A.RandomScale(scale_limit=(-0.25, 0.5), p=1.0),
        A.Resize(131, 131, p=1.0),
        A.RandomResizedCrop((100, 100), scale=(0.99, 1.0), ratio=(1.0, 1.0), p=1.0),
        A.Affine(scale=(0.75, 1.5), fill_mask=0, p=1.0),
        v2.Resize(131),
        v2.RandomResizedCrop(100, scale=(0.99, 1.0), ratio=(1.0, 1.0)),
        v2.RandomAffine(0, scale=(0.75, 1.5), interpolation=v2.InterpolationMode.BILINEAR),
    ],
    ids=lambda step: f"{type(step).__module__.partition('.')[0]}-{type(step).__name__}",
)
def test_labels_lie_where_the_picture_does_to_a_tenth_of_a_pixel(step):
    rows, columns = np.mgrid[:180, :180]
    mask = (np.hypot(rows - 89.5, columns - 89.5) < 40).astype(np.uint8)
    image = (mask * 255)[..., None].repeat(3, 2)
    augmentation = make([step], None, 255, 0)
    off = []
    for index in range(40):
        moved, labels = augmentation(image, mask, 0, index)
        places = np.stack(np.mgrid[: labels.shape[0], : labels.shape[1]])
        bright, marked = moved[..., 0].astype(float), (labels == 1).astype(float)
        centres = [(places * w).sum(axis=(1, 2)) / w.sum() for w in (bright, marked)]
        off.append(centres[1] - centres[0])
    assert np.abs(np.mean(off, axis=0)).max() < 0.1


def test_what_is_padded_is_ignored_and_black():
    image, mask = np.full((10, 12, 3), 9, np.uint8), np.ones((10, 12), np.uint8)
    corners = set()
    for index in range(30):
        padded, padded_mask = make([], (16, 20), 255, 0)(image, mask, 0, index)
        assert padded.shape == (16, 20, 3)
        assert (padded_mask == 1).sum() == 120
        assert set(np.unique(padded_mask)) == {1, 255}
        assert np.array_equal(padded[..., 0] == 9, padded_mask == 1)
        corners.add(tuple(np.argwhere(padded_mask == 1)[0]))
    assert len(corners) > 5


def test_a_crop_may_be_larger_one_way_and_smaller_the_other():
    cropped, mask = make([], (16, 8), 255, 0)(picture(0, (10, 12)), label_map(0, (10, 12)), 0, 0)
    assert cropped.shape == (16, 8, 3)
    assert (mask != 255).sum() == 80


def test_crops_reach_every_corner_of_the_image():
    image = np.arange(6 * 6, dtype=np.uint8).reshape(6, 6, 1)
    augmentation = make([], (4, 4), 255, 0)
    crops = {augmentation(image, image[..., 0], 0, index)[0][0, 0, 0] for index in range(200)}
    assert crops == {row * 6 + column for row in range(3) for column in range(3)}


def test_what_rotates_in_from_outside_is_ignored():
    turn = [A.Affine(rotate=(45, 45), fill_mask=0, p=1.0)]
    _, mask = make(turn, None, 255, 0)(picture(0), np.ones((24, 32), np.uint8), 0, 0)
    assert set(np.unique(mask)) == {1, 255}


def test_dropout_leaves_the_labels():
    holes = [A.CoarseDropout(p=1.0)]
    image, mask = make(holes, None, 255, 0)(
        np.full((24, 32, 3), 9, np.uint8), np.ones((24, 32), np.uint8), 0, 0
    )
    assert (image == 0).any()
    assert (mask == 1).all()


@pytest.mark.parametrize("channels", [1, 3, 4, 5])
def test_any_channel_count(channels):
    image, mask = picture(0, (40, 50), channels), label_map(0, (40, 50))
    augmentation = make(steps(), (24, 32), 255, 0)
    augmentation.check(image, mask)
    for index in range(10):
        assert augmentation(image, mask, 0, index)[0].shape == (24, 32, channels)


def test_a_step_that_needs_three_channels_is_named():
    augmentation = make([A.OneOf([A.HueSaturationValue()])], None, 255, 0)
    with pytest.raises(ConfigError, match=r"HueSaturationValue .*5 channels.*~augment.steps"):
        augmentation.check(picture(0, channels=5), label_map(0))


def test_a_step_that_changes_the_size_needs_a_crop():
    scale = A.RandomScale(scale_limit=(0.2, 0.3))
    with pytest.raises(ConfigError, match=r"RandomScale .*data.crop"):
        make([scale], None, 255, 0).check(picture(0), label_map(0))
    make([scale], (24, 24), 255, 0).check(picture(0), label_map(0))


def test_an_argument_that_does_not_exist_is_refused():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        step = A.HorizontalFlip(probability=1.0)
    with pytest.raises(ConfigError, match="HorizontalFlip has no argument probability"):
        make([step], None, 255, 0)


def test_the_arguments_are_not_changed():
    image, mask = picture(0), label_map(0)
    kept, kept_mask = image.copy(), mask.copy()
    augmentation = make([*steps(), A.CoarseDropout(p=1.0)], (20, 20), 255, 0)
    for index in range(20):
        augmentation(image, mask, 0, index)
    assert np.array_equal(image, kept)
    assert np.array_equal(mask, kept_mask)


def torchvision_steps():
    return [
        v2.RandomAffine(20, scale=(0.7, 1.4)),
        v2.RandomApply([v2.ColorJitter(0.4, 0.4)], p=0.7),
        A.HorizontalFlip(p=0.5),
        v2.RandomVerticalFlip(),
    ]


def test_torchvision_draws_depend_on_seed_epoch_and_index_alone():
    first, second = (make(torchvision_steps(), (24, 32), 255, 7) for _ in range(2))
    keys = [(epoch, index) for epoch in range(3) for index in range(3)]
    forward = {key: draw(first, *key) for key in keys}
    torch.manual_seed(99)
    for key in reversed(keys):
        for one, other in zip(draw(second, *key), forward[key], strict=True):
            assert np.array_equal(one, other)
    assert len({image.tobytes() for image, _ in forward.values()}) == len(keys)


def test_torchvision_does_not_move_the_global_generator():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    draw(make(torchvision_steps(), None, 255, 0), 0, 0)
    assert torch.equal(torch.get_rng_state(), before)


def test_torchvision_moves_image_and_mask_together_and_ignores_what_comes_in():
    mask = np.zeros((60, 60), np.uint8)
    mask[:30, :30] = 1
    image = (mask * 200)[..., None].repeat(3, 2)
    steps = [v2.RandomAffine(45, translate=(0.2, 0.2), scale=(0.6, 1.4), fill=9)]
    steps.append(v2.RandomHorizontalFlip())
    augmentation = make(steps, None, 255, 0)
    for index in range(20):
        moved, moved_mask = augmentation(image, mask, 0, index)
        assert moved.dtype == moved_mask.dtype == np.uint8 and moved.shape == (60, 60, 3)
        assert set(np.unique(moved_mask)) <= {0, 1, 255}
        assert np.array_equal(moved[..., 0] == 200, moved_mask == 1)
        assert np.array_equal(moved[..., 0] == 9, moved_mask == 255)


def test_a_word_names_the_interpolation_of_a_torchvision_step():
    step = v2.RandomRotation(30, interpolation="bilinear")
    augmentation = make([step], None, 255, 0)
    image, mask = augmentation(picture(0), label_map(0), 0, 0)
    assert set(np.unique(mask)) <= {0, 1, 2, 255} and image.shape == (24, 32, 3)
    with pytest.raises(ConfigError, match=r"RandomRotation .*=smooth; allowed are nearest"):
        make([v2.RandomRotation(30, interpolation="smooth")], None, 255, 0)


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        (v2.RandomApply([v2.RandomGrayscale(p=0.1), v2.Resize(9)], p=0.1), "Resize .*data.crop"),
        (v2.ToDtype(torch.float32), "turns uint8 images of 3 channels into float32"),
        (v2.RandAugment(), "RandAugment cannot work on images of 32x24"),
    ],
)
def test_a_torchvision_step_that_cannot_work_is_named(step, reason):
    with pytest.raises(ConfigError, match=reason):
        make([step], None, 255, 0).check(picture(0), label_map(0))


def test_a_step_that_fails_after_another_is_one_line_before_training_and_in_it():
    augmentation = make([A.Resize(20, 20, p=0.2), A.RandomCrop(30, 30)], (8, 8), 255, 0)
    message = r"step RandomCrop cannot work on images of 32x32 .*~augment\.steps\.NAME"
    with pytest.raises(ConfigError, match=message):
        augmentation.check(picture(0, (32, 32)), label_map(0, (32, 32)))
    with pytest.raises(ConfigError, match=message):
        for epoch in range(40):
            draw(augmentation, epoch, 0, (32, 32))


def test_a_torchvision_step_that_works_in_place_leaves_the_arguments():
    image, mask = picture(0), label_map(0)
    kept = image.copy()
    augmentation = make([v2.RandomErasing(p=1.0, inplace=True)], None, 255, 0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        changed, changed_mask = augmentation(image, mask, 0, 0)
    assert np.array_equal(image, kept) and not np.array_equal(changed, kept)
    assert np.array_equal(changed_mask, mask)


def test_a_step_that_keeps_functions_of_its_own_is_one_step():
    jitter = A.ColorJitter(brightness=(0.4, 0.5), p=1.0)
    image, mask = draw(Augmentation([jitter], None, 255, 0), 0, 0)
    assert np.array_equal(mask, label_map(0, (40, 50)))
    assert image.mean() < 0.7 * picture(0, (40, 50)).mean()


class OwnCrop(v2.CenterCrop):
    """A step of a user, derived from one of a library."""


@pytest.mark.parametrize(
    "step",
    [
        v2.CenterCrop((60, 70)),
        v2.RandomApply([v2.CenterCrop((60, 70))], p=1.0),
        OwnCrop((60, 70)),
        A.GridElasticDeform(num_grid_xy=(4, 4), magnitude=20, p=1.0),
        A.OneOf([A.GridElasticDeform(num_grid_xy=(4, 4), magnitude=20)], p=1.0),
    ],
    ids=["CenterCrop", "RandomApply", "own", "GridElasticDeform", "OneOf"],
)
@pytest.mark.parametrize(("ignore_index", "maps"), [(255, 1), (255, 2), (9, 1)])
def test_what_a_step_without_a_fill_brings_in_is_ignored(step, ignore_index, maps):
    size = (40, 50)
    labels = label_map(0, size)
    labels[:4, :4] = ignore_index
    image = np.repeat((labels[..., None] % 5 + 1) * np.uint8(40), 3, axis=2)
    mask = labels if maps == 1 else np.stack([labels] * maps, axis=2)
    augmentation = pickle.loads(pickle.dumps(make([copy.deepcopy(step)], None, ignore_index, 0)))
    outside = 0
    for epoch in range(4):
        moved, moved_mask = augmentation(image, mask, epoch, 0)
        moved_mask = moved_mask.reshape(*moved_mask.shape[:2], -1)
        black = moved[..., 0] == 0
        outside += black.sum()
        assert (moved_mask[black] == ignore_index).all()
        whole = np.isin(moved[..., 0], [40, 80, 120]) & (moved_mask[..., 0] != ignore_index)
        assert (moved_mask[whole, 0] == moved[whole, 0] // 40 - 1).mean() > 0.97
    assert outside
