"""A network of the shape of image-segmentation-keras's fcn_8_mobilenet, from file to file.

The ``predict_video`` of that package reaches 0.78 frames per second on two cores with this network
at 480x352 and a 960x540 video. Here a user's own ``nn.Module`` of the same layers and sizes, with
random weights because only speed is measured, goes through ``infer_video.py``:

    python -m benchmarks.video.keras_demo [--kinds direct bfloat16 int8 fourier] [--frames 80]

``direct`` is OpenVINO in float32, ``bfloat16`` the same where the processor
computes in it, ``int8`` quantised after training. ``fourier``: PyTorch
in float32, with the 7x7 layer done in the frequency domain, eight frames at a time: the same
function of the same weights, and a fifteenth of the arithmetic. Needs 8 GB of memory (4.7 of them
for the spectrum of the layer's 205 million weights) and 3 GB in the temporary folder.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from benchmarks.inference.untrained import gflop, untrained_checkpoint
from outtake.config.compose import compose
from outtake.config.trained_model import TrainedModel
from outtake.core.types import Frame, TimedFrame
from outtake.inference.labeller import Labeller
from outtake.inference.open_backend import open_backend
from outtake.programs.infer_video import infer_video
from outtake.video.read.probe import VideoInfo
from outtake.video.write.video_writer import open_writer

PEER_FPS = 0.78
TARGET_SPEEDUP = 6.0
VIDEO = (540, 960)
NETWORK = (352, 480)
# (channels out, stride) of MobileNet v1 (Howard et al. 2017, table 1).
BLOCKS = (
    *((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)),
    *((512, 1),) * 5,
    *((1024, 2), (1024, 1)),
)
POOL3, POOL4 = 4, 10  # the blocks that end strides 8 and 16


class FCN8MobileNet(nn.Module):
    """MobileNet v1, fc6 and fc7 as 7x7 and 1x1 convolutions of 4096 channels, FCN-8s skips.

    Whatever the size of the image, the network itself runs at 480x352, as the peer's does.
    """

    def __init__(self, classes: int, fourier: bool = False) -> None:
        super().__init__()
        self.stem = Convolution(3, 32, 3, stride=2)
        width = 32
        blocks = []
        for channels, stride in BLOCKS:
            depthwise = Convolution(width, width, 3, stride=stride, groups=width)
            blocks.append(nn.Sequential(depthwise, Convolution(width, channels, 1)))
            width = channels
        self.blocks = nn.ModuleList(blocks)
        self.head = nn.Sequential(
            (FourierConv2d if fourier else nn.Conv2d)(1024, 4096, 7, padding=3),
            nn.ReLU(),
            nn.Dropout(0.5),
            (Pointwise if fourier else nn.Conv2d)(4096, 4096, 1),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Conv2d(4096, classes, 1),
        )
        self.score4 = nn.Conv2d(512, classes, 1)
        self.score3 = nn.Conv2d(256, classes, 1)
        self.up5 = nn.ConvTranspose2d(classes, classes, 4, 2, padding=1, bias=False)
        self.up4 = nn.ConvTranspose2d(classes, classes, 4, 2, padding=1, bias=False)
        self.up3 = nn.ConvTranspose2d(classes, classes, 16, 8, padding=4, bias=False)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map (B, 3, H, W) to logits (B, classes, H, W)."""
        size = (int(image.shape[-2]), int(image.shape[-1]))
        if size != NETWORK:
            image = nn.functional.interpolate(image, NETWORK, mode="bilinear")
        features = self.stem(image)
        kept = {}
        for index, block in enumerate(self.blocks):
            features = block(features)
            if index in (POOL3, POOL4):
                kept[index] = features
        score = self.up5(self.head(features)) + self.score4(kept[POOL4])
        score = self.up3(self.up4(score) + self.score3(kept[POOL3]))
        if size != NETWORK:
            score = nn.functional.interpolate(score, size, mode="bilinear")
        logits: torch.Tensor = score
        return logits


class FourierConv2d(nn.Conv2d):
    """A convolution with a large kernel on a small map, as a product of spectra.

    One product of matrices for each frequency, which has to read its share of the spectrum of the
    weights: several images at a time share that.
    """

    _spectrum: torch.Tensor | None = None
    _for: tuple[int, int] = (0, 0)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map (B, C, H, W) to (B, out, H, W)."""
        height, width = image.shape[-2:]
        reach = self.kernel_size[0] // 2
        # Long enough that what wraps around falls outside of what is kept.
        size = (height + reach, width + reach)
        if self._spectrum is None or self._for != size:
            self._spectrum, self._for = self._transformed(size), size
        spectrum = torch.fft.rfft2(image, s=size)
        by_frequency = spectrum.flatten(2).permute(2, 0, 1).contiguous()
        product = torch.bmm(by_frequency, self._spectrum).permute(1, 2, 0)
        maps = torch.fft.irfft2(product.reshape(len(image), -1, *spectrum.shape[2:]), s=size)
        maps = maps[..., :height, :width]
        return maps if self.bias is None else maps + self.bias[:, None, None]

    def _transformed(self, size: tuple[int, int]) -> torch.Tensor:
        """Return the conjugate spectrum of the kernels, complex64 (frequencies, C, out)."""
        reach = self.kernel_size[0] // 2
        frequencies = size[0] * (size[1] // 2 + 1)
        found = torch.empty((frequencies, self.in_channels, self.out_channels), dtype=torch.cfloat)
        for first in range(0, self.out_channels, 64):
            kernels = self.weight[first : first + 64].float()
            padded = nn.functional.pad(
                kernels, (0, size[1] - kernels.shape[3], 0, size[0] - kernels.shape[2])
            )
            centred = torch.roll(padded, (-reach, -reach), (2, 3))
            part = torch.fft.rfft2(centred).conj().flatten(2)
            found[..., first : first + 64] = part.permute(2, 1, 0)
        return found


class Pointwise(nn.Conv2d):
    """A 1x1 convolution as one matrix product, which PyTorch does three times as fast here."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map (B, C, H, W) to (B, out, H, W)."""
        rows = image.permute(0, 2, 3, 1)
        return nn.functional.linear(rows, self.weight.flatten(1), self.bias).permute(0, 3, 1, 2)


class Convolution(nn.Module):
    """Convolution, batch norm (folded into the weights once training is over) and ReLU6."""

    def __init__(
        self, width: int, channels: int, kernel: int, *, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            width, channels, kernel, stride, kernel // 2, groups=groups, bias=False
        )
        self.norm = nn.BatchNorm2d(channels)
        self._folded: list[nn.Module] = []  # in a list it is no part of the state

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map (B, C, H, W) to (B, channels, H / stride, W / stride)."""
        if self.training:
            return nn.functional.relu6(self.norm(self.conv(image)))
        if not self._folded:
            self._folded.append(fuse_conv_bn_eval(self.conv, self.norm).requires_grad_(False))
        return nn.functional.relu6(self._folded[0](image), inplace=True)


def moving_noise(count: int, size: tuple[int, int]) -> Iterator[Frame]:
    """Yield smooth random pictures that move."""
    height, width = size
    random = np.random.default_rng(0)
    coarse = random.integers(0, 256, (height // 20 + 1, (width + 8 * count) // 20 + 1, 3))
    large = np.kron(coarse.astype(np.uint8), np.ones((20, 20, 1), np.uint8))
    for index in range(count):
        yield np.ascontiguousarray(large[:height, 8 * index : 8 * index + width])


def make_video(path: Path, frames: int) -> None:
    """Write the video."""
    info = VideoInfo(path.parent, VIDEO[1], VIDEO[0], fps=Fraction(25), time_base=Fraction(1, 25))
    with open_writer(path, info) as writer:
        for index, image in enumerate(moving_noise(frames, VIDEO)):
            writer.write(TimedFrame(image, index, info.time_base))


def forward_ms(trained: TrainedModel, name: str, precision: str, batch: int) -> float:
    """Return the time of the network alone for one frame, the best of five runs."""
    backend = open_backend(
        name,
        trained,
        precision=precision,
        calibration=lambda: moving_noise(24, VIDEO),
    )
    assert isinstance(backend, Labeller)
    images = np.stack(list(moving_noise(batch, NETWORK)))
    backend.network(images)
    times = []
    for _ in range(5):
        begin = time.perf_counter()
        backend.network(images)
        times.append(time.perf_counter() - begin)
    return 1000 * min(times) / batch


KINDS = {
    "direct": ("openvino", "float32", 1),
    "bfloat16": ("openvino", "bfloat16", 2),
    "int8": ("openvino", "int8", 1),
    "fourier": ("torch", "float32", 8),
}


def measure(kind: str, folder: Path, frames: int) -> None:
    """Print the rates of one kind."""
    name, precision, batch = KINDS[kind]
    checkpoint, target = folder / "random.ckpt", folder / f"{kind}.mp4"
    model = [
        "model=custom",
        "model._target_=benchmarks.video.keras_demo.FCN8MobileNet",
        "data.short_side=352",
    ]
    if kind == "fourier":
        model.append("+model.fourier=true")
    trained = untrained_checkpoint(checkpoint, model)
    if kind != "fourier":
        print(f"{gflop(trained, NETWORK):.1f} GFLOP per frame")
    network_ms = forward_ms(trained, name, precision, batch)
    del trained
    overrides = [f"checkpoint={checkpoint}", f"input={folder / 'in.mp4'}", f"output={target}"]
    overrides += [
        f"backend={name}",
        f"network.precision={precision}",
        f"network.batch_size={batch}",
    ]
    infer_video(compose("infer_video", [*overrides, "remover=overlay"]))
    report = json.loads(target.with_suffix(".report.json").read_text())
    rate = report["frames_per_second"]
    print(
        f"{kind}: network alone {network_ms:.0f} ms; {frames} frames end to end "
        f"{rate:.2f} frames/s, "
        f"{rate / PEER_FPS:.2f} x {PEER_FPS} (goal: {TARGET_SPEEDUP:g} x)",
        flush=True,
    )


def main() -> None:
    """Measure each kind."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--frames", type=int, default=80)
    options = parser.parse_args()
    os.environ["OUTTAKE_ALLOW_TARGETS"] = "benchmarks.video.keras_demo"
    with tempfile.TemporaryDirectory() as name:
        make_video(Path(name) / "in.mp4", options.frames)
        for kind in options.kinds:
            measure(kind, Path(name), options.frames)


if __name__ == "__main__":
    main()
