from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from outtake.models.fcn import FCN
from outtake.models.layers import (
    BilinearTransposedConvolution,
    FrozenUpsample,
    LearnedUpsample,
    bilinear_kernel,
    pad_to_stride,
)


def test_learned_upsampling_starts_as_the_frozen_one() -> None:
    x = torch.rand(1, 3, 7, 9)
    for factor in (2, 8, 32):
        learned, frozen = LearnedUpsample(3, factor)(x), FrozenUpsample(factor)(x)
        assert learned.shape == frozen.shape
        inside = (..., slice(factor, -factor), slice(factor, -factor))
        assert torch.allclose(learned[inside], frozen[inside], atol=1e-5)


def test_frozen_upsampling_has_no_parameters_and_learned_ones_train() -> None:
    assert not list(FCN(2, upsampling="frozen").up_final.parameters())
    net = FCN(2, upsampling="learned")
    net(torch.rand(2, 3, 32, 32)).sum().backward()
    assert net.up_final.weight.grad is not None


def test_padding_mirrors_the_image_up_to_a_multiple() -> None:
    image = torch.rand(1, 2, 5, 8)
    padded = pad_to_stride(image, 8)
    assert padded.shape == (1, 2, 8, 8) and torch.equal(padded[..., :5, :], image)
    assert torch.equal(padded[..., 5:, :], image[..., [3, 2, 1], :])
    assert pad_to_stride(padded, 8) is padded


def test_small_images_are_mirrored_again_and_lines_are_repeated() -> None:
    image = torch.rand(1, 2, 3, 1)
    padded = pad_to_stride(image, 4, min_side=16)
    assert padded.shape == (1, 2, 16, 16)
    assert torch.equal(padded[..., :8, 0], image[..., [0, 1, 2, 1, 0, 1, 2, 1], 0])
    assert torch.equal(padded[..., 15], padded[..., 0])


@pytest.mark.parametrize(("stride", "kernel"), [(2, 4), (8, 16), (16, 32), (32, 64), (32, 63)])
def test_the_papers_upsampling_is_a_transposed_convolution(stride: int, kernel: int) -> None:
    x = torch.rand(2, 3, 5, 4)
    ramp = 1 - (torch.arange(kernel) - (kernel - 1) / 2).abs() / stride
    weight = (ramp[:, None] * ramp).expand(3, 1, kernel, kernel)
    expected = F.conv_transpose2d(x, weight, stride=stride, groups=3)
    found = BilinearTransposedConvolution(stride, kernel)(x)
    assert found.shape == expected.shape and torch.allclose(found, expected, atol=1e-5)
    assert kernel % 2 or torch.equal(weight[0, 0], bilinear_kernel(stride))
