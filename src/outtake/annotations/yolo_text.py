"""The text files of YOLO's segmentation networks: a line for each object of one picture."""

from __future__ import annotations

from dataclasses import replace

from outtake.annotations.annotated_shapes import Shape, box_ring, to_ring


def read_yolo(text: str, *, predicted: bool) -> list[Shape]:
    """Return shapes whose numbers are fractions of the picture's width and height.

    Args:
        text: The lines ``class x y x y ...``.
        predicted: Whether a network may have written them: then a line may be a box, and end in
            a confidence. What a person has drawn has neither, and would be damaged.

    Raises:
        ValueError: A line is damaged.
    """
    shapes = []
    for place, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            try:
                shape = _read_line(line.split(), predicted=predicted)
                shapes.append(replace(shape, origin=f"line {place}"))
            except ValueError as error:
                raise ValueError(f"line {place}: {error}") from error
    return shapes


def _read_line(words: list[str], *, predicted: bool) -> Shape:
    if not words[0].isdigit():
        raise ValueError(f"the class {words[0]!r} is no number")
    number, values = int(words[0]), [float(word) for word in words[1:]]
    far = [word for word, value in zip(words[1:], values, strict=True) if not -1 <= value <= 2]
    if far:
        raise ValueError(
            f"{far[0]} is no share of the picture's width or height, which are 0 to 1; divide "
            "pixels by them"
        )
    if predicted and len(values) in (4, 5):
        x, y, width, height = values[:4]
        ring = box_ring(x - width / 2, y - height / 2, x + width / 2, y + height / 2)
        return Shape(number=number, rings=(ring,))
    if predicted and len(values) % 2:  # the last is a confidence
        values = values[:-1]
    if predicted and len(values) < 6:
        # As Ultralytics writes the outline of one pixel, or of none.
        return Shape(number=number, rings=(to_ring(values),) if values else ())
    if len(values) < 6 or len(values) % 2:
        raise ValueError(
            f"a class and at least three points are needed, this has {len(words)} numbers"
            + (", as a box has" if len(values) == 4 else "")
        )
    return Shape(number=number, rings=(to_ring(values),))
