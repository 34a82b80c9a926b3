"""Files of trained classifiers, in both layouts, give the network what they hold."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from torchvision.models import GoogLeNet, alexnet, vgg16

from outtake.core.errors import ConfigError, WeightsError
from outtake.models import classifier_weights, fcn_vgg16
from outtake.models.fcn_alexnet import FCNAlexNet
from outtake.models.fcn_googlenet import FCNGoogLeNet
from outtake.models.fcn_vgg16 import FCNVGG16
from outtake.models.first_filters import adapt_channels
from outtake.models.normalisation import (
    CAFFE_PIXELS,
    IMAGENET_PIXELS,
    CaffeNormalize,
    Normalize,
    PixelScale,
)
from outtake.models.pixel_conversion import convert_filters

WIDTH = 1 / 16


def net_for(normalise: nn.Module | None = None, **arguments) -> FCNVGG16:
    """A network that fits the small files below, for the pixels of a normalisation."""
    scale = vars(normalise.pixel_scale) if normalise is not None else None
    return FCNVGG16(2, width=WIDTH, pixel_scale=scale, **arguments).eval()


def torchvision_state(net: FCNVGG16) -> dict[str, torch.Tensor]:
    """The weights of a network under the names and shapes that torchvision has for VGG-16."""
    numbers = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
    convolutions = [name for block in net._names for name in block]
    names = {
        name: f"features.{number}" for name, number in zip(convolutions, numbers, strict=True)
    } | {"fc6": "classifier.0", "fc7": "classifier.3"}
    state = {"classifier.6.weight": torch.zeros(1000, 256), "classifier.6.bias": torch.zeros(1000)}
    for key, value in net.state_dict().items():
        layer, _, kind = key.rpartition(".")
        if layer in names:
            flat = layer.startswith("fc") and kind == "weight"
            state[f"{names[layer]}.{kind}"] = value.flatten(1) if flat else value.clone()
    return state


def caffe_state(net: FCNVGG16) -> dict[str, torch.Tensor]:
    return {k: v.clone() for k, v in net.state_dict().items() if not k.startswith("score")}


def features(net: FCNVGG16, images: torch.Tensor) -> torch.Tensor:
    """What the score layer sees; its own weights are zero in all these networks."""
    seen = []
    hook = net.score_fr.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    with torch.inference_mode():
        net(images)
    hook.remove()
    return seen[0]


def test_the_names_are_those_of_torchvision() -> None:
    with torch.device("meta"):
        theirs = {k: tuple(v.shape) for k, v in vgg16(init_weights=False).state_dict().items()}
        alex = {k: tuple(v.shape) for k, v in alexnet().state_dict().items()}
        own = FCNVGG16(2).state_dict()
        own_alex = FCNAlexNet(2, variant="torchvision").state_dict()
    for layouts, given, net in (
        (classifier_weights.VGG16_LAYOUTS, theirs, own),
        (classifier_weights.ALEXNET_LAYOUTS, alex, own_alex),
    ):
        for layer, name in layouts[0].names.items():
            shape = given[f"{name}.weight"]
            assert torch.Size(shape).numel() == net[f"{layer}.weight"].numel(), layer
            assert len(shape) == 2 or shape == tuple(net[f"{layer}.weight"].shape)


@pytest.mark.parametrize("prefix", ["", "module.", "module._orig_mod."])
@pytest.mark.parametrize("layout", [torchvision_state, caffe_state])
def test_a_file_of_vgg16_gives_every_layer_but_the_scores(layout, prefix, tmp_path: Path) -> None:
    torch.manual_seed(1)
    source = net_for()
    state = {prefix + key: value for key, value in layout(source).items()}
    torch.save(state, tmp_path / "vgg16.pth")
    net = net_for(encoder_weights=str(tmp_path / "vgg16.pth"))
    for key, value in source.state_dict().items():
        assert torch.equal(net.state_dict()[key], value), key
    assert not net.score_fr.weight.any()


@pytest.mark.parametrize(
    ("layout", "saw"), [(torchvision_state, Normalize(3)), (caffe_state, CaffeNormalize(3))]
)
@pytest.mark.parametrize("normalise", [Normalize(3), CaffeNormalize(3)])
def test_any_normalisation_gives_the_features_that_the_file_was_trained_for(
    layout, saw, normalise, tmp_path: Path
) -> None:
    torch.manual_seed(1)
    source = net_for()
    torch.save(layout(source), tmp_path / "vgg16.pth")
    net = net_for(normalise, encoder_weights=str(tmp_path / "vgg16.pth"))
    images = torch.randint(0, 256, (1, 3, 64, 64), dtype=torch.uint8)
    expected, found = features(source, saw(images)), features(net, normalise(images))
    # The border is padded with the mean of each, half a grey level apart.
    assert (found - expected).abs().max() < 0.02 * expected.abs().max()
    # Without the conversion the features would have nothing in common.
    unconverted = net_for(encoder_weights=str(tmp_path / "vgg16.pth"))
    if type(saw) is not type(normalise):
        wrong = features(unconverted, normalise(images))
        assert (wrong - expected).abs().max() > 0.2 * expected.abs().max()


@pytest.mark.parametrize("given", [IMAGENET_PIXELS, CAFFE_PIXELS])
@pytest.mark.parametrize("own", [IMAGENET_PIXELS, CAFFE_PIXELS])
def test_converted_filters_respond_as_before_inside_the_image(given, own) -> None:
    torch.manual_seed(0)
    weight, pixels = torch.randn(4, 3, 3, 3).double(), torch.rand(1, 3, 9, 9).double() * 255

    def seen(scale: PixelScale) -> torch.Tensor:
        ordered = pixels[:, [scale.colour(channel) for channel in range(3)]]
        mean, std = (
            torch.tensor(v, dtype=torch.double).view(1, 3, 1, 1) for v in (scale.mean, scale.std)
        )
        return (ordered - mean) / std

    filters, shift = convert_filters(weight, given, own)
    expected = nn.functional.conv2d(seen(given), weight)
    assert torch.allclose(nn.functional.conv2d(seen(own), filters, shift), expected)


def test_filters_for_grey_images_respond_as_strongly() -> None:
    weight, grey = torch.randn(2, 3, 3, 3).double(), 255 * torch.rand(1, 1, 5, 5).double()
    given = PixelScale((10.0, 20.0, 30.0), (2.0, 3.0, 4.0))
    seen = [(grey - mean) / std for mean, std in zip(given.mean, given.std, strict=True)]
    expected = nn.functional.conv2d(torch.cat(seen, 1), weight)
    for own in (PixelScale((50.0,), (5.0,)), PixelScale((50.0, 40.0), (5.0, 6.0))):
        filters, shift = convert_filters(weight, given, own)
        ours = [(grey - mean) / std for mean, std in zip(own.mean, own.std, strict=True)]
        found = nn.functional.conv2d(torch.cat(ours, 1), filters, shift)
        assert torch.allclose(found, expected)


def test_filters_of_channels_behind_rgb_begin_at_the_mean_and_change_nothing_of_rgb() -> None:
    weight = torch.randn(2, 3, 3, 3).double()
    given = PixelScale((10.0, 20.0, 30.0), (2.0, 2.0, 2.0))
    rgb, shift = convert_filters(weight, given, PixelScale((0.0,) * 3, (1.0,) * 3))
    filters, same = convert_filters(weight, given, PixelScale((0.0,) * 5, (1.0,) * 3 + (4.0,) * 2))
    assert torch.equal(filters[:, :3], rgb) and torch.equal(shift, same)
    for channel in (3, 4):
        assert torch.allclose(filters[:, channel], weight.mean(1) / 2 * 4)


@pytest.mark.parametrize("channels", [1, 2, 4, 5])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_without_fixed_pixel_values_first_filters_are_adapted_to_the_channels(
    channels, dtype, tmp_path: Path
) -> None:
    torch.manual_seed(1)
    state = {key: value.to(dtype) for key, value in torchvision_state(net_for()).items()}
    filters = state["features.0.weight"].float()
    torch.save(state, tmp_path / "vgg16.pth")
    net = net_for(encoder_weights=str(tmp_path / "vgg16.pth"), in_channels=channels)
    assert torch.equal(net.conv1_1.weight, adapt_channels(filters, channels))
    assert torch.equal(net.conv1_1.bias, state["features.0.bias"].float())


def test_filters_in_half_precision_are_converted_in_single_precision(tmp_path: Path) -> None:
    torch.manual_seed(1)
    state = {key: value.half() for key, value in torchvision_state(net_for()).items()}
    torch.save(state, tmp_path / "half.pth")
    net = net_for(CaffeNormalize(3), encoder_weights=str(tmp_path / "half.pth"))
    filters, shift = convert_filters(
        state["features.0.weight"].float(), IMAGENET_PIXELS, CAFFE_PIXELS
    )
    assert torch.equal(net.conv1_1.weight, filters)
    assert torch.allclose(net.conv1_1.bias, state["features.0.bias"].float() + shift, atol=1e-6)


@pytest.mark.parametrize(
    "build", [FCNVGG16, FCNAlexNet, FCNGoogLeNet], ids=["vgg16", "alexnet", "googlenet"]
)
def test_every_network_of_the_paper_takes_its_file_for_four_channels(build, tmp_path) -> None:
    narrow = {} if build is FCNGoogLeNet else {"width": WIDTH}
    given = {k: v for k, v in build(2, **narrow).state_dict().items() if "score" not in k}
    torch.save(given, tmp_path / "classifier.pth")
    path = str(tmp_path / "classifier.pth")
    own = build(2, in_channels=4, encoder_weights=path, **narrow).state_dict()
    first = next(key for key, value in given.items() if value.dim() == 4)
    assert torch.equal(own[first][:, :3], given[first]) and own[first].shape[1] == 4


def test_a_classifier_of_other_images_than_rgb_is_not_blamed_on_the_width(tmp_path: Path) -> None:
    torch.save(caffe_state(net_for(in_channels=1)), tmp_path / "grey.pth")
    with pytest.raises(WeightsError, match=r"first filters conv1_1\.weight .* classifier of RGB"):
        net_for(encoder_weights=str(tmp_path / "grey.pth"))


def test_weights_of_caffe_under_the_names_of_torchvision_can_be_named(tmp_path: Path) -> None:
    torch.manual_seed(1)
    source = net_for()
    torch.save(torchvision_state(source), tmp_path / "caffe_vgg16.pth")
    net = net_for(
        CaffeNormalize(3),
        encoder_weights=str(tmp_path / "caffe_vgg16.pth"),
        weights_pixels="caffe",
    )
    assert torch.allclose(net.conv1_1.weight, source.conv1_1.weight)
    assert torch.allclose(net.conv1_1.bias, source.conv1_1.bias, atol=1e-5)


def test_what_was_assumed_of_the_pixels_is_said(tmp_path: Path, caplog) -> None:
    torch.save(caffe_state(net_for()), tmp_path / "vgg16.pth")
    with caplog.at_level("INFO", "outtake"):
        net_for(encoder_weights=str(tmp_path / "vgg16.pth"))
        net_for(Normalize(3), encoder_weights=str(tmp_path / "vgg16.pth"), weights_pixels="caffe")
    guessed, named = caplog.messages
    assert "Caffe's layout" in guessed and "BGR" in guessed and "model.weights_pixels" in guessed
    assert guessed.endswith("not converted") and named.endswith("converted to those of normalize")
    assert "weights_pixels" not in named


def test_googlenet_takes_the_file_of_torchvision(tmp_path: Path) -> None:
    torch.manual_seed(1)
    theirs = GoogLeNet(10, aux_logits=True, init_weights=False).eval()
    theirs.inception5b.branch1.bn.running_mean.uniform_()
    torch.save(theirs.state_dict(), tmp_path / "googlenet.pth")
    normalise = CaffeNormalize(3)
    net = FCNGoogLeNet(
        2,
        encoder_weights=str(tmp_path / "googlenet.pth"),
        pixel_scale=vars(normalise.pixel_scale),
    ).eval()
    images = torch.randint(0, 256, (1, 3, 48, 48), dtype=torch.uint8)
    # At the size where both see the same pixels: without the padding of the image.
    net.conv1.conv.padding = (3, 3)
    seen = (images.float() - 127.5) / 127.5
    with torch.inference_mode():
        inside = (slice(None), slice(None), slice(3, -3), slice(3, -3))
        expected, found = theirs.conv1(seen)[inside], net.conv1(normalise(images))[inside]
    assert torch.allclose(found, expected, atol=1e-3)
    assert torch.equal(
        net.inception5b.branch1.bn.running_mean, theirs.inception5b.branch1.bn.running_mean
    )


@pytest.mark.parametrize("variant", ["caffenet", "torchvision"])
def test_alexnet_takes_both_layouts(variant, tmp_path: Path) -> None:
    source = FCNAlexNet(2, variant=variant, width=WIDTH)
    layers = dict(zip(("conv1", "conv2", "conv3", "conv4", "conv5"), (0, 3, 6, 8, 10), strict=True))
    state = {}
    for key, value in source.state_dict().items():
        layer, _, kind = key.rpartition(".")
        if variant == "torchvision" and not layer.startswith("score"):
            name = f"features.{layers[layer]}" if layer in layers else ""
            layer = name or {"fc6": "classifier.1", "fc7": "classifier.4"}[layer]
        flat = kind == "weight" and "conv" not in layer and "features" not in layer
        state[f"{layer}.{kind}"] = value.flatten(1) if flat else value
    torch.save(state, tmp_path / "alexnet.pth")
    net = FCNAlexNet(2, variant=variant, width=WIDTH, encoder_weights=str(tmp_path / "alexnet.pth"))
    assert torch.equal(net.fc6.weight, source.fc6.weight)
    assert torch.equal(net.conv5.bias, source.conv5.bias)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda state: {"a.weight": torch.zeros(1)}, "no such classifier"),
        (lambda state: {k: v for k, v in state.items() if "fc" not in k}, "lacks 4 of 30 .* fc6"),
        (lambda state: state | {"fc7.bias": torch.zeros(3)}, "another shape, .* fc7.bias"),
    ],
)
def test_a_file_that_does_not_fit_says_what_is_wrong(make, said, tmp_path: Path) -> None:
    torch.save(make(caffe_state(net_for())), tmp_path / "weights.pth")
    with pytest.raises(WeightsError, match=said):
        net_for(encoder_weights=str(tmp_path / "weights.pth"))


def test_other_mistakes_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no such file"):
        net_for(encoder_weights=str(tmp_path / "missing.pth"))
    with pytest.raises(WeightsError, match="takes a file"):
        net_for(encoder_weights="imagenet")
    with pytest.raises(ConfigError, match="allowed are auto, torchvision, caffe, inception"):
        net_for(weights_pixels="bgr")


def test_no_object_is_ever_unpickled(tmp_path: Path) -> None:
    torch.save({"conv1_1.weight": fcn_vgg16.FCNVGG16}, tmp_path / "weights.pth")
    with pytest.raises(WeightsError, match=r"^model.encoder_weights=.*holds objects"):
        net_for(encoder_weights=str(tmp_path / "weights.pth"))


def test_a_file_that_lacks_a_normalisation_is_named(tmp_path: Path) -> None:
    state = GoogLeNet(10, aux_logits=False, init_weights=False).state_dict()
    del state["conv1.bn.running_mean"]
    torch.save(state, tmp_path / "googlenet.pth")
    with pytest.raises(WeightsError, match=r"lacks 1 of .* conv1\.bn\.running_mean"):
        FCNGoogLeNet(
            3,
            encoder_weights=str(tmp_path / "googlenet.pth"),
            pixel_scale=vars(CaffeNormalize(3).pixel_scale),
        )
