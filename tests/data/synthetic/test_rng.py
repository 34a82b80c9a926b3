from __future__ import annotations

import numpy as np

from outtake.data.synthetic.rng import Rng, cosine, noise_grid, sine, splitmix64


def test_the_hash_is_splitmix64():
    # The first outputs of the reference implementation for the seed 1234567.
    state, outputs = 1234567, []
    for _ in range(3):
        outputs.append(splitmix64(state))
        state += 0x9E3779B97F4A7C15
    assert outputs == [6457827717110365317, 3203168211198807973, 9817491932198370423]


def test_draws_stay_in_their_range_and_fill_it():
    rng = Rng("range")
    numbers = [rng.integer(2, 5) for _ in range(400)]
    assert set(numbers) == {2, 3, 4, 5}
    plane = noise_grid(3, 100, 100)
    assert plane.dtype == np.float32 and plane.min() >= 0 and plane.max() < 1
    assert abs(float(plane.mean()) - 0.5) < 0.02


def test_sine_and_cosine_agree_with_the_library():
    turns = np.linspace(-3, 3, 4001)
    assert np.abs([sine(t) for t in turns] - np.sin(2 * np.pi * turns)).max() < 1e-6
    assert np.abs([cosine(t) for t in turns] - np.cos(2 * np.pi * turns)).max() < 1e-6
