"""The task that is trained, evaluated and applied to video: network, normalisation, labels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Self, cast

import numpy as np
import torch
from pytorch_lightning import LightningModule
from torch import nn
from torch.nn import functional as F
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torchmetrics import Metric

from outtake.core.errors import NonFiniteLossError
from outtake.core.labels import LabelSpace
from outtake.core.types import Batch
from outtake.evaluation.confusion_matrix import ConfusionMatrix
from outtake.evaluation.enlarged_logits import iter_predicted
from outtake.evaluation.metrics import Counts, scores, to_log_dict
from outtake.models.deterministic_resize import deterministic_resizing
from outtake.models.training_logits import TrainingLogits, main_logits
from outtake.training import collectives
from outtake.training.frozen_weights import FrozenWeights
from outtake.training.label_maps import LabelMaps
from outtake.training.metric_values import take_metric_values
from outtake.training.parameter_groups import (
    ParameterOptions,
    check_patterns,
    divide_parameters,
    planned_groups,
)
from outtake.training.supervision_protocol import (
    Supervision,
    TrainingLoss,
    restore_supervision,
    save_supervision,
)
from outtake.training.training_length import Resumption, count_steps
from outtake.training.validation_batch import decide_labels

OptimizerFactory = Callable[[Iterable[Any]], Optimizer]  # of weights, or of groups of weights
SchedulerFactory = Callable[[Optimizer, int], LRScheduler]
NET_PREFIX = "net."  # of the names of the network's weights in the task


class SegmentationTask(LightningModule):
    """A network with everything that its training and its use must agree on.

    Args:
        net: Normalised images (B, C, h, w) to logits (B, classes, h, w), for any h and w; with
            heads that only training needs, see :mod:`outtake.models.training_logits`.
        normalize: uint8 images to what ``net`` takes; its buffers travel with the weights.
        labels: The classes.
        loss: Logits and int64 labels to a scalar. A sum of several losses may keep those of its
            last call in ``parts``, detached scalars by name, which are logged too.
        optimizer: Makes the optimizer from the parameters; None for a task that only predicts.
        scheduler: Makes the schedule from the optimizer and the number of steps, or None.
        metrics: Further scores of validation by name: each takes predicted and true class ids,
            int64 (B, H, W), and gives a scalar or one value for each class.
        channels_last: Whether maps are in NHWC order, which CPUs and tensor cores prefer.
        label_maps: Divides the logits of ``net`` among the masks and further label maps; None where
            it has the classes of the masks alone.
        parameter_options: Which weights are trained, and with what rate and weight decay; None
            trains all alike.
        checkpoint_record: The plain containers that go into every checkpoint under ``outtake``,
            from which :func:`outtake.config.load_trained.load_trained` rebuilds the task.

    Raises:
        ConfigError: A pattern of the parameter options matches nothing.
    """

    def __init__(
        self,
        net: nn.Module,
        normalize: nn.Module,
        labels: LabelSpace,
        loss: nn.Module,
        optimizer: OptimizerFactory | None = None,
        scheduler: SchedulerFactory | None = None,
        *,
        metrics: Mapping[str, Metric] | None = None,
        channels_last: bool = True,
        label_maps: LabelMaps | None = None,
        parameter_options: ParameterOptions | None = None,
        checkpoint_record: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        self.net = net.to(memory_format=self.memory_format)
        self.normalize = normalize
        self.labels = labels
        self.loss = loss
        self.label_maps = label_maps
        self.shown_map: str | None = None  # the label map whose logits it gives; None: the masks'
        self.checkpoint_record = checkpoint_record or {}
        self._parameter_options = parameter_options or ParameterOptions()
        check_patterns(net, self._parameter_options)
        self.frozen = FrozenWeights(net, self._parameter_options)
        self._optimizer_factory = optimizer
        self._scheduler_factory = scheduler
        self.confusion = ConfusionMatrix(len(labels.names), labels.ignore_index)
        self.metrics = nn.ModuleDict(dict(metrics or {}))
        self.supervision: Supervision | None = None  # what trains beside the labels, if anything
        self.resumption: Resumption | None = None  # where a resumed fit begins
        self.last_confusion: Counts | None = None  # of the last whole validation
        self.images_in_last_batch = 0  # of the last training batch, of all ranks

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map uint8 (B, C, h, w) to logits (B, classes, h, w)."""
        logits = main_logits(self.run_network(self.net, images))
        return logits if self.shown_classes is None else logits[:, self.shown_classes]

    @property
    def shown_classes(self) -> slice | None:
        """Which channels of the network are the logits of the task; None for all."""
        return None if self.label_maps is None else self.label_maps.places[self.shown_map]

    def run_network(self, net: nn.Module, images: torch.Tensor) -> torch.Tensor | TrainingLogits:
        """Return what a network of this task, or an average of it, gives for uint8 images."""
        normalised = self.normalize(images).contiguous(memory_format=self.memory_format)
        # Half or double where the trainer's precision made the network so.
        weight = next((p for p in net.parameters() if p.is_floating_point()), normalised)
        with deterministic_resizing(normalised):
            outputs: torch.Tensor | TrainingLogits = net(normalised.to(weight.dtype))
        return outputs

    def training_outputs(self, images: torch.Tensor) -> torch.Tensor | TrainingLogits:
        """Return what the loss is given of uint8 images (B, C, h, w)."""
        outputs = self.run_network(self.net, images)
        return outputs if self.trains_heads else main_logits(outputs)

    @property
    def trains_heads(self) -> bool:
        """Whether the loss trains the heads that a network may have for training alone."""
        return bool(getattr(self.loss, "takes_training_logits", False))

    def predict(
        self, images: torch.Tensor, size: tuple[int, int] | None = None, *, flip: bool = False
    ) -> torch.Tensor:
        """Map uint8 (B, C, h, w) to float32 logits (B, classes, *size), bilinearly.

        With ``flip``, the mean with the logits of the mirrored images: test-time augmentation, a
        little more exact at twice the time.
        """
        logits: torch.Tensor = self(images).float()
        if flip:
            logits = (logits + self(images.flip(-1)).float().flip(-1)) / 2
        if size is None or tuple(logits.shape[-2:]) == tuple(size):
            return logits
        with deterministic_resizing(logits):
            return F.interpolate(logits, size=size, mode="bilinear", align_corners=False)

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        """Return the loss of a batch; with several ranks, the part of this one.

        Raises:
            NonFiniteLossError: The loss is NaN or infinite; names the samples.
        """
        own, parts = self._training_loss(batch)
        # The loss of a rank is its part of the global one, scaled so that the mean of all is that.
        loss, count = collectives.all_reduce_mean(own.detach(), len(batch["image"]), weighted=False)
        if not torch.isfinite(loss):
            non_finite = [] if torch.isfinite(own.detach()) else batch["index"].tolist()
            raise self.nan_error(f"the loss became {loss.item()}", non_finite)
        self.images_in_last_batch = count
        self.log("train/loss", loss, prog_bar=True, batch_size=count)
        for name, part in parts.items():
            self.log(
                f"train/loss_{name}",
                collectives.all_reduce_sum(part) / collectives.world_size(),
                batch_size=count,
            )
        self.log("train/loss_epoch", loss, on_step=False, on_epoch=True, batch_size=count)
        return own

    def _training_loss(self, batch: Batch) -> TrainingLoss:
        if self.supervision is not None:
            loss: TrainingLoss = self.supervision(self, batch)
            return loss
        outputs = self.training_outputs(batch["image"])
        if self.label_maps is not None:
            return self.label_maps.training_loss(outputs, batch, self.loss)
        value: torch.Tensor = self.loss(outputs, batch["mask"])
        return TrainingLoss(value, getattr(self.loss, "parts", {}))

    def validation_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        """Count a batch at the labels' own resolution; return the labels, uint8 (B, H, W)."""
        mask = batch["mask"]
        groups: Iterable[tuple[slice, torch.Tensor]] = self._predict_groups(batch)
        whole = [] if self.label_maps is None else list(groups)
        if self.label_maps is not None:
            groups = self.label_maps.select_groups(whole, None)
        predicted, own = decide_labels(groups, mask, self.loss, self.labels.ignore_index)
        if self.label_maps is not None:
            own = own + self.label_maps.validate(whole, batch)
        images = int((batch["index"] >= 0).sum())
        # A rank that has no batch left gets one without samples, which counts for nothing.
        loss, count = collectives.all_reduce_mean(own, images, weighted=True)
        if not torch.isfinite(loss):
            message = f"the validation loss became {loss.item()}"
            non_finite = [] if torch.isfinite(own) else batch["index"].tolist()
            raise self.nan_error(message, non_finite, "validation")
        self.confusion.update(predicted, mask)
        if images:
            for metric in self._metrics().values():
                metric.update(predicted.long(), mask.long())
        self.log("val/loss", loss, batch_size=count)
        return predicted

    def _predict_groups(self, batch: Batch) -> Iterator[tuple[slice, torch.Tensor]]:
        images, size = batch["image"], (int(batch["mask"].shape[-2]), int(batch["mask"].shape[-1]))
        classes = len(self.labels.names) if self.label_maps is None else self.label_maps.total
        if collectives.world_size() == 1:
            return iter_predicted(self._predict_all, images, classes, size)
        # Where weights are divided, every rank must run the network equally often.
        return iter([(slice(0, len(images)), self._predict_all(images))])

    def _predict_all(self, images: torch.Tensor) -> torch.Tensor:
        """Return the logits of all label maps, float32 (B, classes of all, h, w)."""
        return main_logits(self.run_network(self.net, images)).float()

    def nan_error(
        self, message: str, samples: list[int], split: str = "training"
    ) -> NonFiniteLossError:
        """Return the error that ends a run whose numbers became NaN or infinite.

        Every rank must call this at the same place: each adds its samples.
        """
        samples = [i for each in collectives.all_gather(samples) for i in each if i >= 0]
        named = ", ".join(map(str, samples)) or "none"
        return NonFiniteLossError(
            f"{message} at epoch {self.current_epoch}, step {self.global_step} ({split} samples "
            f"{named}); lower optimizer.lr, or set trainer.gradient_clip_val",
            {
                "what": message,
                "epoch": self.current_epoch,
                "step": self.global_step,
                "split": split,
                "samples": samples,
            },
        )

    def on_validation_epoch_end(self) -> None:
        """Log the scores of the whole split."""
        self.last_confusion = self.confusion.counts()
        record = to_log_dict(scores(self.last_confusion, self.labels.names), "val")
        self.confusion.reset()
        # A split without one labelled pixel has no mIoU; callbacks that watch it need a number.
        self.log("val/miou", record.pop("val/miou", 0.0), prog_bar=True)
        further = {} if self.label_maps is None else self.label_maps.take_scores()
        self.log_dict(record | further | take_metric_values(self._metrics(), self.labels.names))

    def validation_metric_names(self) -> list[str]:
        """Return the names of what a validation logs; classes that never occur have no IoU."""
        classes = len(self.labels.names)
        each_once = scores(np.ones((classes, classes), np.int64), self.labels.names)
        own = to_log_dict(each_once, "val")
        maps = [] if self.label_maps is None else list(self.label_maps.further)
        further = [f"val/{name}/miou" for name in maps]
        return ["val/loss", *own, *further, *(f"val/{name}" for name in self.metrics)]

    def _metrics(self) -> dict[str, Metric]:
        return cast(dict[str, Metric], dict(self.metrics.items()))

    def setup(self, stage: str) -> None:
        """Prepare frozen weights for the number of processes that train."""
        if stage == "fit":
            self.frozen.prepare(self.trainer.world_size)

    def train(self, mode: bool = True) -> Self:
        """Set the mode of all modules; frozen normalisations keep their statistics."""
        super().train(mode)
        # The mode is set while the task is made, too.
        if mode and "frozen" in self.__dict__:
            self.frozen.keep_statistics()
        return self

    def on_train_start(self) -> None:
        """Keep frozen statistics; a resumed run may be past the epoch that unfreezes."""
        self.frozen.keep_statistics()
        self.frozen.release_at(self.current_epoch)

    def on_train_epoch_start(self) -> None:
        """Unfreeze what is frozen until this epoch."""
        self.frozen.release_at(self.current_epoch)

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Drop the gradients of frozen weights, where they have some."""
        self.frozen.drop_gradients()

    def configure_optimizers(self) -> Any:
        """Make the optimizer, and the schedule that is stepped with it."""
        assert self._optimizer_factory is not None, "this task was built to predict, not to train"
        optimizer = self._optimizer_factory(self._select_weights())
        schedule = self._make_schedule(optimizer)
        if schedule is None:
            return optimizer
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _select_weights(self) -> list[Any]:
        """Return what the optimizer is made of: weights, or groups of weights with options."""
        later = self.frozen.names if self.frozen.until_epoch is not None else frozenset[str]()
        named = (
            (name.removeprefix(NET_PREFIX), weight) for name, weight in self.named_parameters()
        )
        weights = {name: weight for name, weight in named if weight.requires_grad or name in later}
        if not self._parameter_options.divides:
            return list(weights.values())
        assert self._optimizer_factory is not None
        defaults = self._optimizer_factory([nn.Parameter(torch.zeros(1))]).defaults
        return divide_parameters(weights, self._parameter_options, defaults)

    def make_planned_optimizer(self) -> Optimizer:
        """Return the optimizer of this fit at step 0, with other weights than those of the net."""
        assert self._optimizer_factory is not None, "this task was built to predict, not to train"
        if not self._parameter_options.divides:
            return self._optimizer_factory([nn.Parameter(torch.zeros(1))])
        return self._optimizer_factory(planned_groups(self._select_weights()))

    def make_planned_schedule(self) -> LRScheduler | None:
        """Return the schedule of this fit at step 0, of the planned optimizer."""
        return self._make_schedule(self.make_planned_optimizer())

    def _make_schedule(self, optimizer: Optimizer) -> LRScheduler | None:
        make = self._scheduler_factory
        return None if make is None else make(optimizer, int(count_steps(self.trainer)))

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Let a resumed run keep a schedule of its own length, which may be new.

        Raises:
            CheckpointError: Another teacher trained the network.
        """
        # Lightning does so only once it has loaded the weights, which may be double.
        self.trainer.precision_plugin.convert_module(self)
        if self.supervision is not None:
            restore_supervision(self.supervision, checkpoint)
        for state in checkpoint.get("lr_schedulers", []):
            state.pop("total_steps", None)
            state.pop("_schedule_phases", None)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the record from which the task is rebuilt."""
        checkpoint["outtake"] = self.checkpoint_record
        if self.supervision is not None:
            save_supervision(self.supervision, checkpoint)
