"""The embedded data set: procedural clips of a street, with the truth behind every object."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from typing import Generic, TypeVar

from outtake.core.errors import ConfigError, DataRootError, EmptySplitError
from outtake.core.labels import LabelSpace
from outtake.core.types import Frame, LabelMap
from outtake.core.validate import check_number
from outtake.data.source import Sample, check_split
from outtake.data.synthetic.rendered_clip import Scene, SceneClip
from outtake.data.synthetic.rng import hash_key
from outtake.data.synthetic.scene_layout import LABELS, OBJECTS, SceneLayout

# Raise it whenever the same seed draws another picture.
VERSION = 1

_DEFAULT_CLIPS = {"train": 60, "val": 8, "test": 4}
# Enough for the default training split: its second epoch renders nothing again.
_SCENE_CACHE_BYTES = 160 << 20
_SAMPLE_CACHE_BYTES = 160 << 20
_SIDE_LIMITS = (32, 4096)


class Scenes:
    """Seeded, unlimited clips of a street with moving cars, people and balls.

    The same seed gives the same bytes on every machine. Splits are drawn from keys of their own and
    share no frame. ``samples`` lists frames of every clip at a fixed step; ``clip`` renders whole
    videos.

    Args:
        seed: The seed of the world, 0 or more.
        height: The height of every frame in pixels.
        width: The width of every frame in pixels.
        clips: The number of clips that ``samples`` draws from, for each split that differs from the
            default of 60 train, 8 val, 4 test.
        frames_per_clip: The number of frames of each clip that are samples.
        frame_step: The distance of two samples in frames; 24 frames are a second.
        wet: Whether roads are wet and mirror the street and what stands on them. Then shadows are
            half as dark.

    Raises:
        ConfigError: A value is out of its range.
    """

    name = "scenes"
    channels = 3
    labels: LabelSpace = LABELS
    object_names = OBJECTS

    def __init__(
        self,
        seed: int = 0,
        height: int = 192,
        width: int = 288,
        clips: Mapping[str, int] | None = None,
        frames_per_clip: int = 8,
        frame_step: int = 12,
        wet: bool = False,
    ) -> None:
        check_number("data.source.seed", seed, 0, (1 << 63) - 1, whole=True)
        check_number("data.source.height", height, *_SIDE_LIMITS, whole=True)
        check_number("data.source.width", width, *_SIDE_LIMITS, whole=True)
        check_number("data.source.frames_per_clip", frames_per_clip, 1, 1 << 20, whole=True)
        check_number("data.source.frame_step", frame_step, 1, 1 << 20, whole=True)
        self._clips = dict(_DEFAULT_CLIPS)
        for split, count in (clips or {}).items():
            check_split(split)
            check_number(f"data.source.clips.{split}", count, 0, 1 << 20, whole=True)
            self._clips[split] = count
        if not isinstance(wet, bool):
            raise ConfigError(f"data.source.wet={wet}: must be true or false")
        self._seed, self._wet = seed, wet
        self._layout = SceneLayout(height, width)
        self._frames_per_clip, self._frame_step = frames_per_clip, frame_step
        self._scene_cache = ByteCache[tuple[str, int], Scene](_SCENE_CACHE_BYTES)
        self._sample_cache = ByteCache[str, tuple[Frame, LabelMap]](_SAMPLE_CACHE_BYTES)

    def samples(self, split: str) -> list[Sample]:
        """Return the samples of a split, with ids like ``train/0007/00012`` (clip, frame)."""
        check_split(split)
        names = [
            f"{split}/{clip:04d}/{frame * self._frame_step:05d}"
            for clip in range(self._clips[split])
            for frame in range(self._frames_per_clip)
        ]
        if not names:
            raise EmptySplitError(
                f"data=scenes has no sample in split {split!r}: set "
                f"data.source.clips.{split} to 1 or more"
            )
        return [Sample(id=name, image=name, mask=name) for name in names]

    def group(self, sample: Sample) -> str:
        """Return the clip that a frame is of, as ``train/0007``."""
        return sample.image.rpartition("/")[0]

    def read_image(self, sample: Sample) -> Frame:
        """Return the frame, uint8 (H, W, 3)."""
        return self._render_sample(sample.image)[0].copy()

    def read_mask(self, sample: Sample) -> LabelMap:
        """Return the class ids, uint8 (H, W)."""
        return self._render_sample(sample.mask)[1].copy()

    def sample_bytes(self, sample: Sample) -> tuple[bytes, ...]:
        """Return what determines the bytes of the sample: version, seed, size, water and place."""
        size = f"{self._layout.height}x{self._layout.width}" + (" wet" if self._wet else "")
        return (f"scenes {VERSION} seed {self._seed} {size} {sample.image}".encode(),)

    def clip(self, split: str, index: int, frames: int) -> SceneClip:
        """Return a video.

        Args:
            split: ``train``, ``val`` or ``test``.
            index: The number of the clip, from 0; there is no last one.
            frames: The length of the clip; more frames continue the same clip.

        Raises:
            ConfigError: A value is out of its range.
        """
        check_split(split)
        check_number("index", index, 0, 1 << 31, whole=True)
        check_number("frames", frames, 1, 1 << 20, whole=True)
        return SceneClip(self._get_scene(split, index), frames)

    def _render_sample(self, locator: str) -> tuple[Frame, LabelMap]:
        def render() -> tuple[Frame, LabelMap]:
            split, index, t = _parse_locator(locator)
            frame = self.clip(split, index, t + 1).frame(t)
            return frame.image, frame.labels

        return self._sample_cache.get(
            locator, render, lambda arrays: arrays[0].nbytes + arrays[1].nbytes
        )

    def _get_scene(self, split: str, index: int) -> Scene:
        def paint() -> Scene:
            return Scene(self._layout, hash_key("scenes", self._seed, split, index), self._wet)

        return self._scene_cache.get((split, index), paint, lambda world: world.bytes_held)


def _parse_locator(locator: str) -> tuple[str, int, int]:
    parts = locator.split("/")
    if len(parts) != 3 or not (parts[1].isdecimal() and parts[2].isdecimal()):
        raise DataRootError(f"data=scenes knows samples like 'train/0007/00012', not {locator!r}")
    return parts[0], int(parts[1]), int(parts[2])


Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class ByteCache(Generic[Key, Value]):
    """Caches values, at most ``limit_bytes`` of them, and always the latest.

    The least recently used are dropped first. A pickled cache is empty: a worker process fills its
    own.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._entries: OrderedDict[Key, tuple[Value, int]] = OrderedDict()
        self._bytes = 0

    def get(self, key: Key, make: Callable[[], Value], size: Callable[[Value], int]) -> Value:
        """Return the value of a key; call ``make`` if it is missing, and ``size`` for its bytes."""
        if key not in self._entries:
            value = make()
            self._entries[key] = value, size(value)
            self._bytes += size(value)
            while self._bytes > self._limit_bytes and len(self._entries) > 1:
                self._bytes -= self._entries.popitem(last=False)[1][1]
        self._entries.move_to_end(key)
        return self._entries[key][0]

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_entries": OrderedDict(), "_bytes": 0}
