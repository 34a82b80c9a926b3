"""The table of docs/models.md: weights, work and time of every option of ``model=``.

    python -m benchmarks.inference.model_table [--models enet unet] [--kinds openvino-int8 ...]

Weights are those that a prediction uses. GFLOP is of one image at 480x360, 11 classes, an addition
counted as one. Times are medians of the processor time of one forward pass from pixels to logits,
batch 1, random weights, one thread: other work on the machine changes them little. A cell replaces
the one that the page has, the others stay. Quantising to int8 takes up to a minute a network, and
is done where ``--kinds`` names it; ``--kinds`` without a name counts weights and GFLOP alone.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from outtake.config.build_network import build_net
from outtake.config.build_task import build_task
from outtake.config.compose import CONF_DIR, compose
from outtake.config.group_overrides import list_options
from outtake.core.errors import OuttakeError
from outtake.core.labels import LabelSpace
from outtake.inference.onnxruntime_backend import ONNXRuntimeNetwork
from outtake.inference.openvino_backend import OpenVINONetwork
from outtake.inference.protocol import Images, Network
from outtake.inference.torch_backend import TorchNetwork
from outtake.training.task import SegmentationTask

PAGE = Path(__file__).resolve().parents[2] / "docs" / "models.md"
BEGIN, END = "<!-- model table -->", "<!-- end of model table -->"
HEIGHT, WIDTH, CLASSES = 360, 480, 11
RUNS, MAX_SECONDS = 5, 1.0
TITLES = {
    "torch-float32": "torch f32 ms",
    "openvino-float32": "OpenVINO f32 ms",
    "openvino-bfloat16": "OpenVINO bf16 ms",
    "openvino-int8": "OpenVINO int8 ms",
    "onnxruntime-float32": "ONNX Runtime f32 ms",
}
KINDS = list(TITLES)
DEFAULT_KINDS = [kind for kind in KINDS if kind != "openvino-int8"]
EXPORTED = {"OpenVINO": "openvino-float32", "ONNX": "onnxruntime-float32"}
HEADER = ("model", "M weights", "GFLOP", *TITLES.values(), "exports to")
NOT_MEASURED = "."

Row = dict[str, str]


def presets() -> list[str]:
    """Return the options of ``model=`` that are networks."""
    return [option for option in list_options(CONF_DIR / "model") if option != "custom"]


def count_weights_and_flop(option: str) -> tuple[float, float]:
    """Return the millions of weights that a prediction uses, and GFLOP; nothing is computed."""
    node = compose("train", [f"model={option}"]).model
    with torch.device("meta"):
        net = build_net(node, CLASSES, 3).eval()
        image = torch.zeros(1, 3, HEIGHT, WIDTH)
        with FlopCounterMode(display=False) as counter:
            logits: Any = net(image)
        flop = counter.get_total_flops()
        logits.sum().backward()
    used = (w.numel() for w in net.parameters() if w.grad is not None or not w.requires_grad)
    return sum(used) / 1e6, flop / 1e9


def open_network(kind: str, task: SegmentationTask) -> Network:
    """Return a task on the runtime and in the precision that ``kind`` names."""
    backend, _, precision = kind.partition("-")
    if backend == "torch":
        return TorchNetwork(task, "cpu", precision, threads=1)
    if backend == "onnxruntime":
        return ONNXRuntimeNetwork(task, precision, provider="cpu", threads=1)
    return OpenVINONetwork(task, precision, threads=1, calibration=_noise)


def _noise(height: int, width: int) -> list[Images]:
    draws = np.random.default_rng(0)
    return [draws.integers(0, 256, (1, height, width, 3), np.uint8) for _ in range(2)]


def median_ms(network: Network) -> float:
    """Return the median processor time of an image in milliseconds, after one not counted."""
    image = _noise(HEIGHT, WIDTH)[0]
    network(image)
    times: list[float] = []
    began_s = time.perf_counter()
    while not times or (len(times) < RUNS and time.perf_counter() - began_s < MAX_SECONDS):
        start_s = time.process_time()
        network(image)
        times.append(1000 * (time.process_time() - start_s))
    return statistics.median(times)


def measure(option: str, kinds: list[str]) -> Row:
    """Return the row of one network; "-" where a runtime cannot run it."""
    weights, gflop = count_weights_and_flop(option)
    row = {"model": f"`{option}`", "M weights": f"{weights:.2f}", "GFLOP": f"{gflop:.1f}"}
    if not kinds:
        return row
    cfg = compose("train", [f"model={option}"])
    task = build_task(cfg, LabelSpace.from_names([f"class {i}" for i in range(CLASSES)]), 3)
    for kind in kinds:
        try:
            row[TITLES[kind]] = f"{median_ms(open_network(kind, task.eval())):.0f}"
        except OuttakeError as error:
            print(f"{option}, {kind}: {error}", file=sys.stderr)
            row[TITLES[kind]] = "-"
    return row


def format_table(rows: list[Row]) -> str:
    """Return the rows as a table of Markdown, sorted by name."""
    lines = ["| " + " | ".join(HEADER) + " |", "|---" * len(HEADER) + "|"]
    for row in sorted(rows, key=lambda each: each["model"].strip("`")):
        cells = [row.get(title, NOT_MEASURED) for title in HEADER[:-1]]
        lines.append("| " + " | ".join([*cells, _exports(row)]) + " |")
    return "\n".join(lines)


def _exports(row: Row) -> str:
    found = {name: row.get(TITLES[kind], NOT_MEASURED) for name, kind in EXPORTED.items()}
    if set(found.values()) == {NOT_MEASURED}:
        return NOT_MEASURED
    able = [name for name, text in found.items() if text not in ("-", NOT_MEASURED)]
    return ", ".join(able) or "-"


def read_table(page: str) -> dict[str, Row]:
    """Return the rows of the page's table by the name of the option."""
    table = page.partition(BEGIN)[2].partition(END)[0]
    rows = [
        dict(zip(HEADER, (cell.strip() for cell in line.strip("|").split("|")), strict=True))
        for line in table.splitlines()
        if line.startswith("| `")
    ]
    return {row["model"].strip("`"): row for row in rows}


def write_row(option: str, row: Row) -> None:
    """Put a row into the page, beside the cells that were measured before."""
    page = PAGE.read_text(encoding="utf-8")
    known = presets()
    rows = {name: each for name, each in read_table(page).items() if name in known}
    rows[option] = rows.get(option, {}) | row
    before, _, rest = page.partition(BEGIN)
    after = rest.partition(END)[2]
    table = format_table(list(rows.values()))
    PAGE.write_text(f"{before}{BEGIN}\n\n{table}\n\n{END}{after}", encoding="utf-8")


def main() -> None:
    """Measure networks and write their rows into the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=presets(), default=presets(), metavar="NAME")
    parser.add_argument("--kinds", nargs="*", choices=KINDS, default=DEFAULT_KINDS)
    options = parser.parse_args()
    for option in options.models:
        row = measure(option, options.kinds)
        write_row(option, row)
        print(", ".join(f"{title} {text}" for title, text in row.items()), flush=True)


if __name__ == "__main__":
    main()
