"""From masked frames to finished segments."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from outtake.core.errors import ConfigError
from outtake.core.frames import FrameFacts, MaskedFrame, Remover
from outtake.core.types import TimedFrame
from outtake.pipeline.segments import Segments
from outtake.pipeline.stage_threads import Stages


@dataclass(frozen=True, slots=True)
class Made:
    """One finished frame and what is known about it.

    Attributes:
        source: what went in.
        frame: what came out.
        facts: where its fill comes from, if the remover knows.
    """

    source: MaskedFrame
    frame: TimedFrame
    facts: FrameFacts | None


class SegmentSink(Protocol):
    """Takes the frames of one segment, between entering and leaving it."""

    def __enter__(self) -> Self:
        """Open the segment."""
        ...

    def write(self, made: Made) -> None:
        """Take the next frame."""
        ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Keep the segment; after an error, what there is of it does not count."""
        ...


@dataclass(frozen=True, slots=True)
class Produced:
    """What a run made.

    Attributes:
        segments: indices of the segments made now, ascending.
        frames: how many frames they hold.
        end: number of segments of the whole clip, if its end was reached.
    """

    segments: tuple[int, ...]
    frames: int
    end: int | None


def produce(
    clip: Iterable[MaskedFrame],
    remover: Remover,
    sink: Callable[[int], SegmentSink],
    stages: Stages,
    *,
    length: int,
    size: tuple[int, int],
    deep: bool = False,
    start: int = 0,
    first: int = 0,
    stop: int | None = None,
    complete: Container[int] = (),
    check: Callable[[], None] = lambda: None,
) -> Produced:
    """Run a remover over a clip, segment by segment.

    Args:
        clip: masked frames, consecutive from ``start``.
        remover: takes things out.
        sink: opens a place for the segment with an index.
        stages: the threads that the clip runs in; the remover gets one too.
        length: of a segment, in frames.
        size: height and width of the frames.
        deep: whether they have deep pictures.
        start: number of the clip's first frame.
        first: the first segment that is made.
        stop: the first that is not; None for all.
        complete: segments that are there already.
        check: called when the clip has ended; may raise. A segment that the end cut short, or its
            context, does not count then.

    Raises:
        ConfigError: the remover did not give one frame for each.
    """
    context = remover.context(*size, deep)
    segments = Segments(clip, length, context, start=start, first=first)
    made: list[int] = []
    frames, end = 0, first
    for index, items in segments:
        if index == stop:
            return Produced(tuple(made), frames, None)
        end = index + 1
        if index in complete:
            continue
        with sink(index) as target:
            for entry in _finished(items, remover, stages):
                with stages.timed("encode"):
                    target.write(entry)
                frames += 1
            if segments.ended:
                check()
        made.append(index)
    check()
    return Produced(tuple(made), frames, end)


def _finished(items: Iterator[MaskedFrame], remover: Remover, stages: Stages) -> Iterator[Made]:
    """Yield the wanted frames of a segment."""
    given: deque[MaskedFrame] = deque()

    def noted() -> Iterator[MaskedFrame]:
        for item in items:
            given.append(item)
            yield item

    def paired() -> Iterator[Made]:
        for frame in remover(noted()):
            if not given:
                raise _miscounted(remover)
            source = given.popleft()
            known: list[FrameFacts] = getattr(remover, "facts", [])
            facts = known.pop(0) if known else None
            if source.wanted:
                yield Made(source, frame, facts)
        if given:
            raise _miscounted(remover)

    return stages.run("remove", paired(), ahead=2)


def _miscounted(remover: Remover) -> ConfigError:
    return ConfigError(
        f"remover {type(remover).__name__} did not give one frame for each; every frame that "
        "goes in has to come out"
    )
