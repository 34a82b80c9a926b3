"""What the page of an evaluation is given."""

from __future__ import annotations

from outtake.pages.evaluation import _MAX_IMAGES, _thin_out


def test_of_many_images_those_between_the_worst_and_the_best_are_thinned_out() -> None:
    images = [{"id": str(n), "miou": ((7 * n) % 5003) / 5003} for n in range(5003)]
    for place in (0, 17, 2000, 4999):
        images.insert(place, {"id": "without labels", "miou": float("nan")})
    shown = _thin_out(images)
    scores = [each["miou"] for each in shown]
    assert len(shown) == _MAX_IMAGES and scores == sorted(scores)
    assert scores[0] == 0 and scores[-1] == 5002 / 5003
    assert len(_thin_out(images[:9])) == 8
