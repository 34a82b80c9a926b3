"""Masks as other tools write them are read as they are, and the page says so."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.masking.mask_formats import BEGIN, DOCS, END, ROWS, Row, agreement, ids, make_table, read


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.tool}: {row.form}".replace("/", " "))
def test_what_a_tool_writes_is_read_without_conversion(row: Row, tmp_path: Path) -> None:
    folder = tmp_path / "masks"
    folder.mkdir()
    masks, said = read(row, folder)
    assert said and len(masks) == 3
    if row.exact:
        assert agreement(masks) == 1
    else:
        assert agreement(masks) > 0.87
        for frame, mask in enumerate(masks):
            larger = cv2.dilate((ids(frame) > 0).astype(np.uint8), np.ones((3, 3)))
            assert not mask[larger == 0].any()


def test_the_table_of_the_page_is_current() -> None:
    text = DOCS.read_text(encoding="utf-8")
    shown = text[text.index(BEGIN) + len(BEGIN) : text.index(END)].strip()
    assert shown == make_table(), "write it anew: python -m tests.masking.mask_formats"
