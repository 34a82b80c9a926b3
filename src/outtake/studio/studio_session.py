"""What one open studio holds: the project, the job, and the superpixels that were found last."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import cv2
import numpy as np

from outtake.core.errors import ConfigError
from outtake.core.types import Frame, LabelMap
from outtake.motion.plate_residual import PlateResidual
from outtake.refine.region_map import RegionMap
from outtake.studio.flow_carrying import REACH, enlarge_labels
from outtake.studio.flow_previews import FlowPreviews
from outtake.studio.job_commands import build_command
from outtake.studio.jobs import Jobs
from outtake.studio.network_masks import NetworkMasks
from outtake.studio.project import Project
from outtake.studio.proposals import LEAST_PX, find_regions, propose
from outtake.studio.removal_results import RemovalResults
from outtake.studio.still_picture import build_picture_removal, find_picture
from outtake.studio.studio_settings import StudioSettings

_KEPT_REGIONS, _KEPT_PLATES = 4, 16
_PLATE_WIDTH_PX = 432


class StudioSession:
    """A project that is open in the studio.

    Args:
        project: The project.
        settings: What may be opened, and how much is taken.

    Attributes:
        id: What tells it from any other, also from a former one of the same project.
        project: The project.
        settings: What may be opened, and how much is taken.
        jobs: Its jobs.
        masks: What its network has said of all frames.
        flow: Its labels, carried to the frames that have none.
        results: What removals have left.
        imports: One object for each import of masks that has not ended.
        lock: Held while labels, classes or jobs are changed.
    """

    def __init__(self, project: Project, settings: StudioSettings | None = None) -> None:
        self.id = secrets.token_urlsafe(12)
        self.project = project
        self.settings = settings or StudioSettings()
        self.jobs = Jobs(project.folder)
        self.masks = NetworkMasks(project)
        self.flow = FlowPreviews(project)
        self.results = RemovalResults(project)
        self.imports: set[object] = set()
        self.lock = threading.RLock()
        self._plate_lock = threading.Lock()
        self._find_plate = lru_cache(_KEPT_PLATES)(self._compute_plate_residual)
        self._find = lru_cache(_KEPT_REGIONS)(self._find_regions)

    def close(self) -> None:
        """End the job and let others open the project."""
        self.flow.close()
        self.jobs.close()
        self.results.close()
        self.project.close()

    def regions(
        self, number: int, count: int, method: str = "watershed", least: int = LEAST_PX
    ) -> RegionMap:
        """Return the superpixels of a frame, see :func:`find_regions`."""
        return self._find(number, count, method, least)

    def propose(
        self,
        number: int,
        by: str,
        count: int,
        method: str = "watershed",
        least: int = LEAST_PX,
    ) -> LabelMap:
        """Return labels that are offered for a frame, uint8 (H, W).

        Args:
            number: The frame.
            by: ``watershed`` or ``colour`` from the labels that it has; ``network`` from the masks
                of the job ``propose``; ``flow`` from the labelled frames around it; ``previous``
                for the labels of the one before it as they are.
            count: The number of superpixels that ``colour`` looks at.
            method: How they are found.
            least: The pixels of the smallest.

        Raises:
            OuttakeError: There is no such way, or it cannot be used yet.
        """
        labels = self.project.labels[number].labels
        if by == "network":
            return np.where(labels == 255, self.masks.read(number), labels)
        if by in ("flow", "previous"):
            carried = self._find_carried(number) if by == "flow" else self._find_previous(number)
            return np.where(labels == 255, carried, labels)
        if by == "colour":
            regions = self.regions(number, count, method, least)
        else:
            regions = RegionMap(np.zeros(labels.shape, np.int32), 1)
        return propose(by, self.project.frames.read(number), labels, regions)

    def plate_residual(self, number: int) -> Frame:
        """Return what differs from the clip's own plate at a frame, uint8 (h, w, 3).

        It is grey where nothing does, and is found from the frames around this one at a short side
        of at most 240 pixels.
        """
        with self._plate_lock:
            return self._find_plate(number)

    def start_job(self, kind: object, options: Mapping[str, object]) -> list[str]:
        """Start a job; return what was done to the masks that it reads, in lines.

        See :func:`build_command`, :meth:`Jobs.start` and :meth:`Project.mend_masks` for the errors.
        """
        self.project.check_open()
        notices = self.project.mend_masks()
        if kind == "remove" and find_picture(self.project) is not None:
            self.jobs.start(lambda: build_picture_removal(self.project, options))
        else:
            self.jobs.start(lambda: build_command(self.project, kind, options))
        return notices

    def describe_job(self) -> dict[str, Any] | None:
        """Return the state of the last job, None before the first."""
        current = self.jobs.current
        return None if current is None else current.describe()

    def _compute_plate_residual(self, number: int) -> Frame:
        stage, frames = PlateResidual(), self.project.frames
        first = max(0, number - stage.context_frames)
        around = frames.read_on(first, min(number + stage.context_frames, frames.count - 1))
        width = min(_PLATE_WIDTH_PX, self.project.size[1])
        size = width, max(1, round(self.project.size[0] * width / self.project.size[1]))
        small = (np.asarray(cv2.resize(i, size, interpolation=cv2.INTER_AREA)) for i in around)
        is_it = {number - first}.__contains__
        found = [residual for _, residual in stage(small, lambda each: each, is_it)]
        residual = found[number - first]
        assert residual is not None
        return residual

    def _find_carried(self, number: int) -> LabelMap:
        found = self.flow.find(number)
        if found is None:
            raise ConfigError(
                "labels are carried here in a moment; ask again"
                if self.flow.is_coming(number)
                else f"no frame within {REACH} of this one has labels that could be carried here"
            )
        return enlarge_labels(found, self.project.size)

    def _find_previous(self, number: int) -> LabelMap:
        before = [each for each in self.project.labelled_frames() if each < number]
        if not before:
            raise ConfigError("no frame before this one has labels")
        return self.project.labels[before[-1]].labels

    def _find_regions(self, number: int, count: int, method: str, least: int) -> RegionMap:
        return find_regions(self.project.frames.read(number), count, method, least)
