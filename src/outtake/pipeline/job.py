"""One clip to be cleaned: how it is read, what is taken out of it, where it goes."""

from __future__ import annotations

import hashlib
import json
import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from outtake.core.errors import OuttakeError
from outtake.core.files import write_json
from outtake.core.frames import FilledFrame, FillStatistics, MaskedFrame
from outtake.core.types import TimedFrame
from outtake.masking.label_propagation import ClipLabeller
from outtake.masking.mask_clip import pair_masks
from outtake.masking.policy import MaskPolicy
from outtake.pipeline.run import (
    RunResult,
    run_removal,
)
from outtake.pipeline.segments import (
    common_stride,
    first_frame_to_decode,
)
from outtake.pipeline.stage_threads import (
    StageThreads,
    defer_signals,
    limit_library_threads,
)
from outtake.removal.protocol import Remover
from outtake.removal.provenance import provenance_frame
from outtake.removal.report import RemovalReport
from outtake.video.read.clip import Clip, open_clip
from outtake.video.read.inputs import VideoInput
from outtake.video.read.probe import VideoInfo
from outtake.video.write.encoding_plan import EncodingRequest, choose_encoding
from outtake.video.write.output import Output, open_output

log = logging.getLogger(__name__)

# How far decoding and masks may run ahead of what takes longest.
_QUEUED_FRAMES = 4

# By how much a number of frames that is not counted may be wrong without a word: share, seconds.
_ESTIMATE_ERROR_SHARE = 0.25
_ESTIMATE_ERROR_S = 1


@dataclass(frozen=True)
class Job:
    """A removal, ready to run: all of it, or any range of its segments, in any process.

    Attributes:
        source: what is read, as :func:`outtake.video.read.clip.open_clip` takes it.
        target: a video, or a folder for PNG images if it has no suffix.
        remover: takes things out.
        labeller: labels frames; None where masks are given.
        policy: makes masks of labels.
        masks: a clip of masks instead, as ``open_clip`` takes it.
        read_options: options of ``open_clip``.
        write_options: options of :func:`outtake.video.write.output.open_output`.
        segment_frames: length of a segment.
        provenance_video: also write where the fill comes from.
        fingerprint: what the frames depend on; a job is resumed only if it is the same.
    """

    source: str | Path | VideoInput
    target: Path
    remover: Remover
    labeller: ClipLabeller | None = None
    policy: MaskPolicy | None = None
    masks: str | Path | Sequence[str] | None = None
    read_options: Mapping[str, Any] = field(default_factory=dict)
    write_options: Mapping[str, Any] = field(default_factory=dict)
    segment_frames: int = 500
    provenance_video: bool = False
    fingerprint: Mapping[str, Any] = field(default_factory=dict)

    @property
    def provenance_path(self) -> Path:
        """Where the provenance video goes."""
        return sibling_path(self.target, "provenance")

    def digest(self, clip: Clip) -> str:
        """Identify the job: two with the same digest make the same file."""
        found = {
            **self._fingerprint_with_inputs(clip),
            "encoding": self.describe_encoding(clip.info),
        }
        return hashlib.sha256(json.dumps(found, default=str).encode()).hexdigest()

    def describe_encoding(self, info: VideoInfo) -> dict[str, Any]:
        """Return how the frames of a clip are stored, in plain words: codec, bits, quality, audio.

        Raises:
            OutputError: a codec, quality or preset that does not go.
        """
        if not self.target.suffix:
            return {"codec": "png"}
        request = replace(self._encoding, bit_depth=info.bit_depth)
        record = choose_encoding(self.target, request).fingerprint()
        audio = "copy" if self.write_options.get("audio", True) else "drop"
        return {**record.pop("options"), **record, "audio": audio}

    @property
    def _encoding(self) -> EncodingRequest:
        request = self.write_options.get("encoding") or EncodingRequest()
        return replace(request, channels=self.remover.channels)

    def _fingerprint_with_inputs(self, clip: Clip) -> dict[str, Any]:
        found = {**self.fingerprint, "segment_frames": self.segment_frames, "input": clip.digest()}
        if self.masks is not None:
            with open_clip(self.masks, **self._mask_read_options()) as masks:
                found["masks"] = masks.digest()
        return found

    def _mask_read_options(self) -> dict[str, Any]:
        # One mask for each frame that is used: the selection was made when they were.
        return {
            key: self.read_options[key] for key in ("fps", "limits") if key in self.read_options
        } | {"high_bit_depth": False}

    def open_outputs(self, clip: Clip) -> list[Output]:
        """Open the output, and that of the provenance video if there is to be one.

        Args:
            clip: the source, opened.

        Raises:
            OuttakeError: the output can not be written, or masks and frames do not go together.
        """
        info = clip.info
        writing = dict(self.write_options)
        if info.live:
            writing["resume"] = False  # what a camera showed will not come again
        depends = self._fingerprint_with_inputs(clip) if writing.get("resume") else {}
        if self.masks is not None:
            self._warn_if_lengths_differ(info)
        writing["encoding"] = self._encoding
        main = open_output(self.target, info, fingerprint=depends, **writing)
        if not self.provenance_video:
            return [main]
        preset = EncodingRequest(preset=self._encoding.preset)
        options = writing | {"encoding": preset, "audio": False}
        try:
            second = open_output(self.provenance_path, info, fingerprint=depends, **options)
        except BaseException:
            if main.has_segments():
                main.release()
            else:
                main.discard()
            raise
        return [main, second]

    def _warn_if_lengths_differ(self, info: VideoInfo) -> None:
        assert self.masks is not None
        with open_clip(self.masks, **self._mask_read_options()) as masks:
            drawn = masks.info
        if not info.frames or not drawn.frames:
            return
        apart = abs(info.frames - drawn.frames)
        counted = info.frames_counted and drawn.frames_counted
        # An estimate is off where frames last differently, or the sound is longer.
        error = (
            0.0
            if counted
            else max(_ESTIMATE_ERROR_SHARE * info.frames, _ESTIMATE_ERROR_S * float(info.fps))
        )
        if apart > error:
            frames, masks_there = (
                f"{'' if each.frames_counted else 'about '}{each.frames}" for each in (info, drawn)
            )
            log.warning(
                "%s says that it has %s frames, and %s %s masks; each frame needs one",
                info.path.name, frames, drawn.path.name, masks_there,
            )  # fmt: skip

    def run(
        self,
        outputs: list[Output],
        *,
        first_segment: int | None = None,
        stop_segment: int | None = None,
        on_frame: Callable[[], object] = lambda: None,
        clip: Clip | None = None,
        stop_event: threading.Event | None = None,
    ) -> tuple[RunResult, dict[str, float]]:
        """Make the segments that are not there yet, from ``first_segment`` up to ``stop_segment``.

        Args:
            outputs: as :meth:`open` returned them.
            first_segment: the first segment; those that are there are passed over.
            stop_segment: the first that is not made; None for all to the end.
            on_frame: called after each frame.
            clip: the source, if it is open already and can not be opened twice.
            stop_event: when it is set, the clip is taken to end there.

        Returns:
            What was made, and the seconds that each stage worked.

        Raises:
            OuttakeError: the clip can not be read to its end, or the output not be written; the
                segments made so far stay.
        """
        limit_library_threads()
        there = CompletedSegments(outputs)
        first_segment = first_segment or 0
        while first_segment != stop_segment and first_segment in there:
            first_segment += 1
        if first_segment == stop_segment:
            return RunResult((), 0, None), {}
        deep = outputs[0].high_bit_depth
        context = self.remover.context(*self._frame_size(outputs), deep)
        stride = common_stride(1 if self.labeller is None else self.labeller.stride)
        lead = 0 if self.policy is None else self.policy.context_frames
        start = first_frame_to_decode(
            first_segment, self.segment_frames, context, mask_context=lead, label_stride=stride
        )
        damage = TruncateOnError(stop_event)
        # Threads end before the files that they read are closed.
        with ExitStack() as files, StageThreads() as stages:
            frames = clip or files.enter_context(
                open_clip(self.source, skip=start, high_bit_depth=deep, **self.read_options)
            )
            made = run_removal(
                self.masked_frames(
                    damage.read(frames), files, stages, start, cut_short=damage.ended_early
                ),
                self.remover,
                lambda index: _SegmentWriter(outputs, index, on_frame),
                stages,
                segment_frames=self.segment_frames,
                size=self._frame_size(outputs),
                high_bit_depth=deep,
                start_frame=start,
                first_segment=first_segment,
                stop_segment=stop_segment,
                completed=there,
                check_input=damage.raise_error,
            )
            return made, dict(stages.busy_s)

    def masked_frames(
        self,
        clip: Iterable[TimedFrame],
        files: ExitStack,
        stages: StageThreads,
        start_frame: int = 0,
        *,
        shrink: Callable[[Iterable[TimedFrame]], Iterable[TimedFrame]] = iter,
        cut_short: Callable[[], bool] = lambda: False,
    ) -> Iterator[MaskedFrame]:
        """Return a clip with its masks, made in threads.

        Args:
            clip: frames from number ``start_frame`` on.
            files: closes the clip of masks, if there is one.
            stages: the threads.
            start_frame: number of the first frame.
            shrink: what was done to the clip, to be done to the masks too.
            cut_short: whether the clip ended before its end; then masks may go on.
        """
        frames = stages.run("decode", clip, max_queued=_QUEUED_FRAMES)
        if self.masks is not None:
            drawn = files.enter_context(
                open_clip(self.masks, skip=start_frame, **self._mask_read_options())
            )
            paired = pair_masks(
                frames, shrink(drawn), first_number=start_frame, ended_early=cut_short
            )
            return stages.run("mask", paired, max_queued=_QUEUED_FRAMES)
        assert self.labeller is not None and self.policy is not None  # one of the two is given
        labelled = stages.run("predict", self.labeller(frames), max_queued=_QUEUED_FRAMES)
        return stages.run("mask", self.policy(labelled), max_queued=_QUEUED_FRAMES)

    def count_finished_frames(self, outputs: list[Output]) -> int:
        """Return how many frames are there already, in segments from the beginning on."""
        return sum(
            outputs[0].frame_count(index)
            for index in range(CompletedSegments(outputs).first_missing())
        )

    @staticmethod
    def _frame_size(outputs: list[Output]) -> tuple[int, int]:
        info = outputs[0].info
        return info.height, info.width

    def merge_report(self, outputs: list[Output], total_segments: int) -> RemovalReport:
        """Put together what is known about every frame of the first ``total_segments`` segments."""
        folder = outputs[0].segment_folder
        return RemovalReport.from_segments(
            json.loads(_statistics_path(folder, index).read_text())
            for index in range(total_segments)
        )


class CompletedSegments:
    """The segments that every output has."""

    def __init__(self, outputs: list[Output]) -> None:
        self._outputs = outputs

    def __contains__(self, index: object) -> bool:
        return isinstance(index, int) and all(output.frame_count(index) for output in self._outputs)

    def first_missing(self) -> int:
        """Return the first segment that is missing."""
        return next(index for index in count() if index not in self)


class TruncateOnError:
    """Lets a clip that breaks off end there, so that what was read is still made."""

    def __init__(self, halt: threading.Event | None = None) -> None:
        self._error: OuttakeError | None = None
        self._stop_event = halt or threading.Event()

    def read(self, clip: Iterable[TimedFrame]) -> Iterator[TimedFrame]:
        """Yield the frames before the damage."""
        try:
            for frame in clip:
                yield frame
                if self._stop_event.is_set():
                    return
        except OuttakeError as error:
            self._error = error

    def ended_early(self) -> bool:
        """Tell whether the clip ended before its end."""
        return self._error is not None or self._stop_event.is_set()

    def raise_error(self) -> None:
        """Raise the error that ended the clip, if one did."""
        if self._error is not None:
            raise self._error


class _SegmentWriter:
    """Takes the frames of one segment, and keeps what there is to say about them beside it."""

    def __init__(self, outputs: list[Output], index: int, on_frame: Callable[[], object]) -> None:
        self._outputs = outputs
        self._index = index
        self._on_frame = on_frame
        self._files = ExitStack()
        self._report = RemovalReport()

    def __enter__(self) -> Self:
        with ExitStack() as files:
            self._writers = [
                files.enter_context(output.open_segment(self._index)) for output in self._outputs
            ]
            self._files = files.pop_all()
        return self

    def write(self, filled: FilledFrame) -> None:
        """Write a frame, and where its fill comes from if a second output is for that."""
        self._writers[0].write(filled.frame)
        for writer in self._writers[1:]:
            writer.write(provenance_frame(filled.frame, filled.statistics or FillStatistics()))
        time_s = float(filled.frame.pts * filled.frame.time_base)
        self._report.add(time_s, float(filled.source.mask.mean()), filled.statistics)
        self._on_frame()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self._files.__exit__(kind, error, trace)
            return
        path = _statistics_path(self._outputs[0].segment_folder, self._index)
        with defer_signals(), self._files:
            write_json(path, self._report.segment_record())


def _statistics_path(folder: Path, index: int) -> Path:
    return folder / f"{index:05d}.facts.json"


def sibling_path(target: Path, kind: str) -> Path:
    """Return where something that goes with an output lies.

    ``out.mp4`` -> ``out.kind.mp4``; a folder of images has no suffix: ``out`` -> ``out_kind``.
    """
    if not target.suffix:
        return target.with_name(f"{target.name}_{kind}")
    return target.with_name(f"{target.stem}.{kind}{target.suffix}")
