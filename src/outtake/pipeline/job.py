"""One removal: what is read, what is taken out of it, where it goes, and what identifies it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

from outtake.core.errors import OutputError
from outtake.core.types import LabelMap
from outtake.masking.label_propagation import ClipLabeller
from outtake.masking.mask_source import MaskSource
from outtake.masking.policy import MaskPolicy
from outtake.masking.regions import Region
from outtake.pipeline.check_clip import check_clip
from outtake.pipeline.further_clips import FurtherClip
from outtake.removal.protocol import Remover
from outtake.removal.provenance import check_origins
from outtake.removal.report import RemovalReport, read_report
from outtake.video.interlacing import FieldOrder
from outtake.video.read.clip import Clip, open_clip
from outtake.video.read.inputs import VideoInput
from outtake.video.read.probe import VideoInfo
from outtake.video.write.audio_encoder import AudioChoice
from outtake.video.write.encoding_plan import EncodingRequest, choose_encoding
from outtake.video.write.image_folder import choose_image_codec
from outtake.video.write.open_output import open_output
from outtake.video.write.output import Output
from outtake.video.write.output_checks import InputPaths


@dataclass(frozen=True)
class WriteOptions:
    """How an output is written; the arguments of ``open_output``.

    Attributes:
        encoding: What is asked of the encoding.
        audio: What becomes of the sound.
        overwrite: Whether an earlier output is replaced.
        resume: Whether the segments of an interrupted job are used.
        input_paths: What the job reads beside the source.
    """

    encoding: EncodingRequest = field(default_factory=EncodingRequest)
    audio: AudioChoice = "auto"
    overwrite: bool = False
    resume: bool = False
    input_paths: InputPaths = ()


@dataclass(frozen=True)
class Job:
    """A removal, ready to run: all of it, or any range of its segments, in any process.

    Attributes:
        source: The clip, as :func:`outtake.video.read.clip.open_clip` takes it.
        target: A video, or a folder for PNG images if it has no suffix.
        remover: The remover.
        labeller: Labels the frames; None where masks are given.
        policy: Makes masks of labels; None where masks are given.
        masks: Masks instead; None where frames are labelled.
        further: What the network sees beside the frames; empty where it sees these alone.
        plate_offsets: Of what the network sees of the clip's own plate, one tuple for each input.
        known_labels: The labels that a person gave, by the number of the frame: they are not asked
            of the network.
        shown_fields: Which field comes first, by what the pictures show, where no mark says so: the
            remover is given fields then, and the output is as unmarked as the clip.
        grow: The fraction of the height by which these masks are dilated.
        regions: Boxes that are removed too.
        read_options: Arguments of ``open_clip`` by name.
        write_options: How the output is written.
        segment_frames: The length of a segment, in frames.
        provenance_video: Whether a second video shows where the fill comes from.
        fingerprint: What the frames depend on; a job is resumed only if it is the same.
    """

    source: str | Path | VideoInput
    target: Path
    remover: Remover
    labeller: ClipLabeller | None = None
    policy: MaskPolicy | None = None
    masks: MaskSource | None = None
    further: tuple[FurtherClip, ...] = ()
    plate_offsets: tuple[tuple[int, ...], ...] = ()
    known_labels: Mapping[int, LabelMap] = field(default_factory=dict)
    shown_fields: FieldOrder | None = None
    grow: float = 0.0
    regions: tuple[Region, ...] = ()
    read_options: Mapping[str, Any] = field(default_factory=dict)
    write_options: WriteOptions = field(default_factory=WriteOptions)
    segment_frames: int = 500
    provenance_video: bool = False
    fingerprint: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raise ConfigError if a provenance video would have nothing to show."""
        if self.provenance_video:
            check_origins(self.remover)

    @property
    def provenance_path(self) -> Path:
        """The path of the provenance video."""
        return sibling_path(self.target, "provenance")

    def digest(self, clip: Clip) -> str:
        """Return the job's identity: two jobs with the same digest make the same file."""
        parts = self._fingerprint_with_inputs(clip)
        parts["encoding"] = self.describe_encoding(clip.info)
        return hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()

    def check_clip(self, info: VideoInfo) -> tuple[str, ...]:
        """Find what does not go with the clip, as :func:`check_clip` does."""
        return check_clip(info, self.remover, self.regions, self.shown_fields)

    @property
    def label_context(self) -> int:
        """The number of frames before and after that the labels of a frame depend on."""
        return max((max(offsets) for offsets in self.plate_offsets), default=0)

    def describe_encoding(self, info: VideoInfo) -> dict[str, Any]:
        """Return how the frames of a clip are stored, in plain words: codec, bits, quality, audio.

        Raises:
            OutputError: A codec, quality or preset is not possible.
        """
        if not self.target.suffix:
            return {"codec": choose_image_codec(self.target, self._encoding.codec, info.images)}
        record = choose_encoding(
            self.target, self._encoding.for_source(self._describe_pictures(info))
        ).fingerprint()
        return {**record.pop("options"), **record, "audio": self.write_options.audio}

    @property
    def _encoding(self) -> EncodingRequest:
        return replace(self.write_options.encoding, channels=self.remover.channels)

    def _describe_pictures(self, info: VideoInfo) -> VideoInfo:
        """Return the description of the pictures: those about a clip have none of its alpha."""
        return info if self.remover.keeps_outside else replace(info, has_alpha=False)

    def _fingerprint_with_inputs(self, clip: Clip) -> dict[str, Any]:
        found = {**self.fingerprint, "segment_frames": self.segment_frames, "input": clip.digest()}
        if self.masks is not None:
            found["masks"] = self.masks.digest()
        if self.further:
            found["further"] = {each.input.name: each.digest() for each in self.further}
        if self.known_labels:
            found["known_labels"] = {
                number: hashlib.sha256(labels.tobytes()).hexdigest()
                for number, labels in sorted(self.known_labels.items())
            }
        return found

    def open_outputs(self, clip: Clip) -> list[Output]:
        """Open the output, and that of the provenance video if there is one.

        Args:
            clip: The source, opened.

        Raises:
            OuttakeError: The output cannot be written, or masks and frames do not fit together.
        """
        info = clip.info
        # What a camera showed does not come again.
        options = replace(
            self.write_options,
            encoding=self._encoding,
            resume=self.write_options.resume and not info.live,
        )
        depends = self._fingerprint_with_inputs(clip) if options.resume else {}
        main = open_output(
            self.target, self._describe_pictures(info), fingerprint=depends, **vars(options)
        )
        if not self.provenance_video:
            return [main]
        codec = "auto" if self.target.suffix else "png"
        request = EncodingRequest(codec, preset=self._encoding.preset)
        options = replace(options, encoding=request, audio="none")
        try:
            view = info.of_view()
            second = open_output(self.provenance_path, view, fingerprint=depends, **vars(options))
        except BaseException:
            if main.has_segments():
                main.release()
            else:
                main.discard()
            raise
        return [main, second]

    def count_finished_frames(self, outputs: list[Output]) -> int:
        """Return how many frames exist already, in segments from the beginning on."""
        segments = range(CompletedSegments(outputs).first_missing())
        return sum(outputs[0].frame_count(index) for index in segments)

    def merge_report(self, outputs: list[Output], total_segments: int) -> RemovalReport:
        """Return the report of the whole clip from the statistics of its segments."""
        folder = outputs[0].segment_folder
        paths = (statistics_path(folder, index) for index in range(total_segments))
        parts = (json.loads(path.read_text()) for path in paths)
        return RemovalReport.from_segments(parts, **self.report_options())

    def report_options(self) -> dict[str, bool]:
        """Return the arguments of a :class:`RemovalReport` of this job."""
        return {
            "needs_mask": self.remover.needs_mask,
            "from_network": self.labeller is not None,
        }


class CompletedSegments:
    """The segments that every output has."""

    def __init__(self, outputs: list[Output]) -> None:
        self._outputs = outputs

    def __contains__(self, index: object) -> bool:
        return isinstance(index, int) and all(output.frame_count(index) for output in self._outputs)

    def first_missing(self) -> int:
        """Return the index of the first segment that is missing."""
        return next(index for index in count() if index not in self)


def statistics_path(folder: Path, index: int) -> Path:
    """Return where the statistics of a segment's frames are."""
    return folder / f"{index:05d}.statistics.json"


def sibling_path(target: Path, kind: str) -> Path:
    """Return the path of a file that goes with an output.

    ``out.mp4`` becomes ``out.kind.mp4``; a folder of images has no suffix: ``out`` becomes
    ``out_kind``.
    """
    if not target.suffix:
        return target.with_name(f"{target.name}_{kind}")
    return target.with_name(f"{target.stem}.{kind}{target.suffix}")


def is_already_done(job: Job) -> bool:
    """Return whether an earlier call has made the output of this job already.

    Raises:
        OutputError: The output exists, but was made otherwise.
    """
    options = job.write_options
    if not options.resume or options.overwrite or not job.target.exists():
        return False
    report = read_report(job.target)
    with open_clip(job.source, **job.read_options) as clip:
        if report.get("job_sha256") == job.digest(clip):
            return True
        difference = _describe_difference(report, job.describe_encoding(clip.info))
    raise OutputError(f"output {job.target} exists, {difference}; set overwrite=true to replace it")


def _describe_difference(report: Mapping[str, Any], encoding: Mapping[str, Any]) -> str:
    """Return how an output differs from what is asked for, as far as its report says it."""
    if "job_sha256" not in report:
        return "and no report beside it says how it was made"
    was = report.get("encoding")
    if not isinstance(was, Mapping):
        return "made by another version, whose report does not say how it was encoded"
    changed = [key for key in sorted({*was, *encoding}) if was.get(key) != encoding.get(key)]
    if changed:
        return "made with " + ", ".join(f"{key}={was.get(key)}" for key in changed)
    return "made of another input, or with another config, checkpoint or version"
