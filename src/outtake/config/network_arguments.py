"""What the constructors of networks are passed of what the data know, members included."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from outtake.config.instantiate import accepted_arguments
from outtake.core.errors import ConfigError
from outtake.data.further_inputs import IMAGE, FurtherInput, count_channels
from outtake.models.normalisation import PixelScale

MEMBERS = "members"


def complete_network(
    tree: Mapping[str, Any],
    classes: int,
    channels: int,
    pixel_scale: PixelScale | None = None,
    further_inputs: Sequence[FurtherInput] = (),
) -> dict[str, Any]:
    """Return the config of a network with what its constructor takes of what is known.

    What the config sets itself wins. The members of a fusion are completed too, each for the
    channels that it sees.

    Args:
        tree: A mapping with ``_target_``, resolved and allowed.
        classes: The number of classes.
        channels: The number of channels of the images.
        pixel_scale: The values that the network sees; None where they are not known.
        further_inputs: The inputs whose channels are the last ones.

    Raises:
        ConfigError: What the members of a fusion see does not add up.
    """
    names, takes_any = accepted_arguments(tree["_target_"])
    completed = dict(tree)
    known: dict[str, Any] = {"classes": classes, "num_classes": classes, "in_channels": channels}
    if pixel_scale is not None:
        known["pixel_scale"] = asdict(pixel_scale)
    if "encoder_weights" not in tree:
        known["encoder_weights"] = None  # a library's own default may call out
    if "member_channels" in names:
        places = find_member_channels(tree, channels, further_inputs)
        completed.pop("inputs", None)
        completed[MEMBERS] = {
            name: _complete_member(tree, name, classes, member_channels, pixel_scale)
            for name, member_channels in places.items()
        }
        known["member_channels"] = places
    if "encoder_name" not in names and not takes_any:
        # The backbone group names an encoder; a network of one's own may have no use for it.
        completed.pop("encoder_name", None)
    if takes_any and not {"classes", "num_classes"} & (names | tree.keys()):
        completed["classes"] = classes
    return completed | {k: v for k, v in known.items() if k in names and k not in completed}


def find_member_channels(
    tree: Mapping[str, Any], channels: int, further_inputs: Sequence[FurtherInput] = ()
) -> dict[str, list[int]]:
    """Return the places of the channels that each member of a fusion sees.

    A member sees the input of its name, or those that ``inputs`` lists for it: ``image`` or names
    of ``data.further_inputs``, whose channels are in the order of the data.

    Raises:
        ConfigError: There is no member, or a member or an input that is named does not exist.
    """
    members, given = tree.get(MEMBERS), tree.get("inputs") or {}
    if not members or not isinstance(members, Mapping):
        raise ConfigError(
            "model.members holds no network: add one by the name of the input that it sees, as in "
            "+model@model.members.image=fcn8s"
        )
    if not isinstance(given, Mapping):
        raise ConfigError(
            f"model.inputs={given}: give a list of inputs by the name of a member, as in "
            f"'model.inputs={{{next(iter(members))}: [{IMAGE}]}}'"
        )
    for name in given:
        if name not in members:
            raise ConfigError(
                f"model.inputs.{name}: there is no such member; there are {', '.join(members)}"
            )
    places = _input_places(channels, further_inputs)
    found = {}
    for name in members:
        wanted = given.get(name, [name])
        _check_inputs(name, wanted, places, named=name in given)
        found[name] = sorted(place for each in wanted for place in places[each])
    return found


def unseen_inputs(
    tree: Mapping[str, Any], channels: int, further_inputs: Sequence[FurtherInput] = ()
) -> list[str]:
    """Return the inputs of the data that no member of a fusion sees; none for other networks."""
    if "member_channels" not in accepted_arguments(tree["_target_"])[0]:
        return []
    seen = set().union(*find_member_channels(tree, channels, further_inputs).values())
    places = _input_places(channels, further_inputs)
    return [name for name, own in places.items() if not seen.issuperset(own)]


def list_initial_weights(tree: Mapping[str, Any]) -> list[str]:
    """Return the ``encoder_weights`` that a network and its members began from."""
    parts = [tree, *(tree.get(MEMBERS) or {}).values()]
    return [str(each["encoder_weights"]) for each in parts if each.get("encoder_weights")]


def without_initial_weights(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Return the config of a network that begins from no file, nor do its members."""
    plain = dict(tree)
    if plain.get("encoder_weights") is not None:
        plain["encoder_weights"] = None
    if isinstance(members := plain.get(MEMBERS), Mapping):
        plain[MEMBERS] = {name: without_initial_weights(each) for name, each in members.items()}
    return plain


def _input_places(channels: int, further_inputs: Sequence[FurtherInput]) -> dict[str, list[int]]:
    first = channels - count_channels(further_inputs)
    places = {IMAGE: list(range(first))}
    for each in further_inputs:
        places[each.name] = list(range(first, first + each.channels))
        first += each.channels
    return places


def _check_inputs(
    name: str, wanted: Any, places: Mapping[str, Sequence[int]], *, named: bool
) -> None:
    known = ", ".join(places)
    if not wanted or not isinstance(wanted, list) or not all(isinstance(x, str) for x in wanted):
        raise ConfigError(f"model.inputs.{name}={wanted}: give a list of inputs out of {known}")
    if unknown := [each for each in wanted if each not in places]:
        where = f"model.inputs.{name}=[{unknown[0]}]" if named else f"model.members.{name}"
        advice = (
            "name one of these, or add it to data.further_inputs"
            if named
            else "call the member as its input, or say what it sees, as in "
            f"'model.inputs={{{name}: [{IMAGE}]}}', or add the input to data.further_inputs"
        )
        raise ConfigError(f"{where}: the data have no such input, only {known}; {advice}")
    if len(set(wanted)) < len(wanted):
        raise ConfigError(f"model.inputs.{name}=[{','.join(wanted)}]: names an input twice")


def _complete_member(
    fusion: Mapping[str, Any],
    name: str,
    classes: int,
    places: Sequence[int],
    pixel_scale: PixelScale | None,
) -> dict[str, Any]:
    member = fusion[MEMBERS][name]
    if not isinstance(member, Mapping) or "_target_" not in member:
        raise ConfigError(
            f"model.members.{name} is no network: take an option of model, as in "
            f"+model@model.members.{name}=fcn8s"
        )
    accepted, _ = accepted_arguments(member["_target_"])
    if "member_channels" in accepted:
        raise ConfigError(f"model.members.{name}: a late fusion cannot be a member of another")
    if "encoder_name" in accepted and "encoder_name" not in member:
        member = {"encoder_name": fusion.get("encoder_name"), **member}
        if member["encoder_name"] is None:
            del member["encoder_name"]  # the constructor's own
    scale = None if pixel_scale is None else _select_scale(pixel_scale, places)
    return complete_network(member, classes, len(places), scale)


def _select_scale(scale: PixelScale, places: Sequence[int]) -> PixelScale:
    """Return the values of some channels; blue is the first of the image's, which stand first."""
    mean, std = (tuple(values[place] for place in places) for values in (scale.mean, scale.std))
    return replace(scale, mean=mean, std=std, bgr=scale.bgr and tuple(places[:3]) == (0, 1, 2))
