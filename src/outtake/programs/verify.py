"""Verify: a data set goes in, the list of all its defects comes out."""

from __future__ import annotations

import warnings
from pathlib import Path

from omegaconf import DictConfig

from outtake.config.instantiate import accepted_arguments, check_targets, instantiate
from outtake.config.program_options import DataOptions, VerifyOptions, read_options
from outtake.core.errors import ConfigError, DataRootError, OuttakeError
from outtake.core.files import check_folder, replace_text, write_json
from outtake.data.defects import KINDS, SEVERITIES, Defect
from outtake.data.further_labels import FurtherLabelMaps
from outtake.data.inspection import Inspection, count_by_kind, inspect_source
from outtake.data.source import DataChoice, DataWarning, SegmentationSource
from outtake.data.stacked_inputs import add_further_inputs
from outtake.pages.verification import defects_record, render_verification
from outtake.programs.library_warnings import quiet_libraries

_NAMED_BY_FILE = {"missing_mask", "orphan_mask", "absent_image", "repeated_name"}


def verify(cfg: DictConfig) -> bool:
    """Inspect a data set as ``conf/verify.yaml`` says.

    Writes ``defects.json``, and beside it ``report.html`` unless ``report`` is false.

    Returns:
        Whether the data set passes: no defect of the severity of ``fail_on``.

    Raises:
        OuttakeError: There is no such data set, or the output cannot be written.
    """
    quiet_libraries()
    options = read_options(VerifyOptions, cfg)
    output = options.output or Path(f"{options.data.file_stem}-verification")
    check_folder(output)
    with warnings.catch_warnings():
        # What these say is in the list, but for what was made up.
        warnings.simplefilter("ignore", DataWarning)
        warnings.simplefilter("default", DataChoice)
        source, inspection = _inspect(options.data)
    unopened = [each for each in inspection.defects if each.kind == "no_data"]
    if unopened and not inspection.facts:
        raise DataRootError(unopened[0].text)
    write_json(output / "defects.json", defects_record(inspection))
    if options.report:
        page = render_verification(inspection, source, options.examples)
        replace_text(output / "report.html", page)
    print("\n".join(describe_defects(inspection)))
    print(f"written to {output}")
    errors, others = inspection.count("error"), inspection.count("warning")
    return not {"error": errors, "warning": errors + others, "never": 0}[options.fail_on]


def _inspect(data: DataOptions) -> tuple[SegmentationSource | None, Inspection]:
    try:
        source = _open_source(data)
    except (ConfigError, DataRootError):
        raise  # there is nothing to inspect
    except OuttakeError as error:
        defect = Defect("no_data", "", data.name, str(error))
        return None, Inspection(data.name, None, [], [defect])
    return source, inspect_source(source)


def _open_source(data: DataOptions) -> SegmentationSource:
    """Build a source; one that can leave defects to its reader is told to."""
    node = dict(data.source)
    check_targets(node, "data.source")
    takes, _ = accepted_arguments(node["_target_"])
    source: SegmentationSource = instantiate(
        node | ({"strict": False} if "strict" in takes else {})
    )
    source = add_further_inputs(source, data.further_inputs, data.root)
    if data.further_labels:
        return FurtherLabelMaps(source, data.further_labels, data.root)
    return source


def describe_defects(inspection: Inspection) -> list[str]:
    """Return one line for each kind of defect, with its first file and what mends it."""
    counts = count_by_kind(inspection.defects)
    lines = []
    for kind, count in counts.items():
        first = next(each for each in inspection.defects if each.kind == kind)
        about = KINDS[kind]
        where = first.where if count == 1 else f"{first.where} and {count - 1} more"
        if not first.sample and kind not in _NAMED_BY_FILE:
            where = first.text  # it is about a split or all of the data
        # The line of what a data set says of itself may name the key already.
        mend = "" if about.mend.split(",")[0] in where else f"; what mends it: {about.mend}"
        lines.append(f"{about.severity}: {about.title}: {where}{mend}")
    totals = ", ".join(_say_count(inspection.count(each), each) for each in SEVERITIES)
    summary = totals if counts else "no defect"
    return [*lines, f"{inspection.name}: {len(inspection.facts)} samples, {summary}"]


def _say_count(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"
