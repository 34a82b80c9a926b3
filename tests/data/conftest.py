"""Small generated data sets."""

import pytest

from tests.data.generated import SIZE, label_map, picture, save


@pytest.fixture
def folder(tmp_path):
    """Make root/{split}/{images,masks} with so many samples; a size may depend on the number."""

    def make(root=tmp_path / "set", *, train=6, val=3, test=0, classes=3, size=lambda _: SIZE):
        for offset, (split, count) in enumerate((("train", train), ("val", val), ("test", test))):
            for number in range(count):
                seed = 100 * offset + number
                image = picture(seed, size(number))
                mask = label_map(seed, size(number), classes)
                save(root / split / "images" / f"{split}{number:02}.png", image)
                save(root / split / "masks" / f"{split}{number:02}.png", mask)
        return root

    return make
