"""From a config to the network that labels the frames of a clip."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from outtake.config.build_refiner import build_refiner
from outtake.config.infer_video_schema import InferVideoConfig
from outtake.config.instantiate import instantiate, resolve_config
from outtake.config.load_ensemble import Trained, load_one_or_several, with_short_side
from outtake.config.trained_model import TrainedModel
from outtake.core.device import resolve_device
from outtake.core.types import Frame
from outtake.data.further_inputs import count_channels
from outtake.data.stacked_inputs import add_further_inputs
from outtake.inference.clip_predictor import ClipPredictor, find_scale
from outtake.inference.int8_calibration import iter_training_images
from outtake.inference.open_backend import open_backend
from outtake.inference.torch_backend import TorchBackend
from outtake.masking.label_propagation import ClipLabeller, LabelPropagator
from outtake.masking.policy import MaskPolicy


def load_network(config: InferVideoConfig, checkpoint: str | list[str]) -> Trained:
    """Load a checkpoint, or several that are averaged.

    Raises:
        OuttakeError: It cannot be loaded, or they do not fit together.
    """
    trained = load_one_or_several(
        checkpoint, resolve_device(config.device), label_map=config.label_map
    )
    return with_short_side(trained, config.network.short_side)


def build_labeller(
    config: InferVideoConfig,
    trained: Trained,
    policy: MaskPolicy,
    frame_size: tuple[int, int] | None,
) -> ClipLabeller:
    """Build what labels the frames: a backend, in batches, on each n-th frame."""
    network = config.network
    backend = open_backend(
        trained=trained,
        device=config.device,
        precision=network.precision,
        confidence=policy.needs_confidence,
        **network.passes(of_one_clip=trained.clip is not None),
        refiner=build_refiner(config.refine, trained),
        calibration=lambda: calibration_images(trained),
        frame_size=frame_size,
        **config.backend,
    )
    predictor = ClipPredictor(
        backend,
        trained.labels,
        short_side=trained.short_side,
        channels=trained.channels,
        further_channels=count_channels(trained.further_inputs),
        batch_size=network.batch_size,
        uncertain_ids=policy.ids,
        scale=find_scale(trained.sample_range),
    )
    return LabelPropagator(predictor, network.every) if network.every > 1 else predictor


def calibration_images(trained: Trained) -> Iterable[Frame]:
    """Yield images of the data set on which a checkpoint, or the first of several, was trained."""
    data = trained.config.data
    source = instantiate(data.source)
    folders = resolve_config(data.get("further_inputs"))
    return iter_training_images(
        add_further_inputs(source, folders, data.get("root"), trained.further_inputs)
    )


def build_predictor(
    trained: TrainedModel, batch_size: int = 1, uncertain_ids: Sequence[int] = ()
) -> ClipPredictor:
    """Return what labels frames with a checkpoint's own network, on CUDA where there is one."""
    return ClipPredictor(
        TorchBackend(trained.task, flip=trained.clip is not None),
        trained.labels,
        short_side=trained.short_side,
        channels=trained.channels,
        further_channels=count_channels(trained.further_inputs),
        batch_size=batch_size,
        uncertain_ids=uncertain_ids,
        scale=find_scale(trained.sample_range),
    )
