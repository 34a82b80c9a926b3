"""Pack: a data set goes in, shards that ``data=packed`` reads come out."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from outtake.config.instantiate import check_targets, instantiate
from outtake.config.program_options import PackOptions, read_options
from outtake.core.errors import ConfigError
from outtake.core.files import check_folder
from outtake.core.override_text import format_override
from outtake.core.printable_text import to_printable
from outtake.data.pack_shards import PackedSplit, pack
from outtake.data.source import SegmentationSource
from outtake.programs.library_warnings import quiet_libraries

_MIB = 2**20


def pack_data(cfg: DictConfig) -> Path:
    """Write a data set as ``conf/pack.yaml`` says.

    Returns:
        The folder of the shards.

    Raises:
        OuttakeError: There is no such data set, or the output cannot be written.
    """
    quiet_libraries()
    options = read_options(PackOptions, cfg)
    if options.output is None:
        raise ConfigError("output has no value: name the folder of the shards, as in output=PATH")
    for key in ("further_inputs", "further_labels"):
        if getattr(options.data, key):
            raise ConfigError(
                f"data.{key}: shards hold one file and one mask for each image; set it to null, or "
                "train on the files"
            )
    check_folder(options.output)
    node = dict(options.data.source)
    check_targets(node, "data.source")
    source: SegmentationSource = instantiate(node)
    try:
        done = pack(source, options.output, options.shard_mib * _MIB, node)
    except KeyboardInterrupt:
        print(f"ended: the finished shards stay in {options.output}; the same command resumes")
        raise
    print("\n".join(describe_splits(done)))
    place = format_override("data.root", options.output)
    print(to_printable(f"written to {options.output}; train on it with data=packed {place}"))
    return options.output


def describe_splits(splits: list[PackedSplit]) -> list[str]:
    """Return a line for each split, and one where images could not keep their bytes."""
    lines = [
        f"{each.split}: {each.samples} samples in {len(each.shards)} "
        f"shard{'' if len(each.shards) == 1 else 's'}, "
        f"{each.bytes / 1e6:.1f} MB" + (f"; {each.kept} were there" if each.kept else "")
        for each in splits
    ]
    recoded = sum(each.recoded_images for each in splits)
    if recoded:
        lines.append(
            f"{recoded} images are stored as PNG, the others as the bytes of their files: what "
            "the data set makes of a file (channels, 16 bits, a drawing) is stored, not the file"
        )
    return lines
