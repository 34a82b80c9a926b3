"""The report of a verified data set."""

from __future__ import annotations

from outtake.data.folder import Folder
from outtake.data.inspection import inspect_source
from outtake.pages.verification import defects_record, render_verification
from tests.data.generated import label_map, picture, save


def test_the_report_shows_defects_with_pictures_and_escapes_names(tmp_path):
    for number, name in enumerate(("a", "<b>", "c")):
        for split in ("train", "val"):
            seed = number + 10 * (split == "val")
            save(tmp_path / split / "images" / f"{name}.png", picture(seed))
            save(tmp_path / split / "masks" / f"{name}.png", label_map(seed))
    save(tmp_path / "train/masks/<b>.png", label_map(1, (24, 30)))
    (tmp_path / "train/images/c.png").write_text("no picture")
    source = Folder(str(tmp_path), strict=False)
    found = inspect_source(source)
    page = render_verification(found, source, examples=2)
    assert "<b>" not in page and "&lt;b&gt;.png" in page
    assert page.count("data:image/jpeg") >= 2 and "<script" not in page
    assert "image and mask of different sizes (1)" in page
    record = defects_record(found)
    assert record["kinds"]["size"] == record["kinds"]["no_picture"] == 1
    assert [each["name"] for each in record["classes"]] == ["class_0", "class_1", "class_2"]
    assert sum(each["shares"]["val"] for each in record["classes"]) == 1
