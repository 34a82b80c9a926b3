"""Units and parameter sets of H.264, as far as copying packets needs them (ITU-T H.264, 14496-15).

A packet is a row of units, each behind its length (MP4, Matroska) or behind a start code (transport
streams). Parameter sets have numbers: those of the source and those of an encoder lie side by side
in a track's header if no number is taken twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from outtake.video.write.sequence_parameters import BitReader

IDR_SLICE = 5
_PLAIN_SLICE = 1
_SLICES = {_PLAIN_SLICE, IDR_SLICE}
_SEQUENCE_SET, _PICTURE_SET = 7, 8
_SET_KINDS = {_SEQUENCE_SET, _PICTURE_SET}
# Supplemental information, delimiter, filler: what may lie beside slices in a copied packet.
_COPIED_KINDS = _SLICES | {6, 9, 12}
# End of sequence and of stream: what follows begins with an IDR picture anyway.
_LEFT_OUT_KINDS = _SET_KINDS | {10, 11}

LENGTH_BYTES = 4
_START_CODE = re.compile(rb"\x00\x00\x01")
_MAX_ENCODER_ID = 31
# Baseline, Main, High, High 10, High 4:2:2, High 4:4:4: each number above holds those below.
_PROFILES = (66, 77, 100, 110, 122, 244)
_HIGH = 100


@dataclass
class ParameterSets:
    """Sequence and picture parameter sets by number.

    Attributes:
        sequence: Units of sequence parameter sets.
        picture: Units of picture parameter sets.
    """

    sequence: dict[int, bytes] = field(default_factory=dict)
    picture: dict[int, bytes] = field(default_factory=dict)

    def add(self, unit: bytes) -> bool:
        """Add a set, and return whether it is what its number stood for before, if anything."""
        of_sequence = unit_kind(unit) == _SEQUENCE_SET
        number = BitReader(unit[4:14] if of_sequence else unit[1:10]).read_exp_golomb()
        known = self.sequence if of_sequence else self.picture
        return known.setdefault(number, unit) == unit

    def unused_id(self) -> int | None:
        """Return a number above 0 for another encoder's sets; None if there is none left."""
        taken = {*self.sequence, *self.picture}
        return next((n for n in range(1, _MAX_ENCODER_ID + 1) if n not in taken), None)

    def can_be_described(self) -> bool:
        """Return whether there are sets, of profiles that one header can stand for."""
        return bool(self.sequence and self.picture) and all(
            unit[1] in _PROFILES for unit in self.sequence.values()
        )


def unit_kind(unit: bytes) -> int:
    """Return the type of a unit."""
    return unit[0] & 31


def parse_header(header: bytes | None) -> tuple[ParameterSets, int | None]:
    """Return the parameter sets of a track's header, and how long the lengths of units are.

    The second is None where units lie behind start codes.

    Raises:
        ValueError: The header is damaged, or contradicts itself.
    """
    sets = ParameterSets()
    if not header:
        return sets, None
    if header[0] != 1:
        found, length_bytes = split_units(header, None), None
    else:
        found, length_bytes = _units_of_avcc(header), (header[4] & 3) + 1
    if not all(sets.add(unit) for unit in found if unit_kind(unit) in _SET_KINDS):
        raise ValueError("the header gives two parameter sets one number")
    return sets, length_bytes


def _units_of_avcc(header: bytes) -> list[bytes]:
    found, place = [], 5
    for mask in (31, 255):
        if place >= len(header):
            raise ValueError("the header of H.264 is cut off")
        count, place = header[place] & mask, place + 1
        for _ in range(count):
            size = int.from_bytes(header[place : place + 2], "big")
            place += 2 + size
            if not size or place > len(header):
                raise ValueError("the header of H.264 is cut off")
            found.append(header[place - size : place])
    return found


def make_header(*sources: ParameterSets, chroma: str, bits: int) -> bytes:
    """Return the header of a track (avcC) that holds the parameter sets of several encoders.

    Args:
        sources: The sets; no number is in two of them.
        chroma: ``420``, ``422`` or ``444``.
        bits: Bits per component.
    """
    sequences = [unit for each in sources for unit in each.sequence.values()]
    pictures = [unit for each in sources for unit in each.picture.values()]
    profile = max(unit[1] for unit in sequences)
    compatible = 255
    for unit in sequences:
        compatible &= unit[2]
    level = max(unit[3] for unit in sequences)
    header = bytes([1, profile, compatible, level, 0xFC | (LENGTH_BYTES - 1)])
    header += bytes([0xE0 | len(sequences)]) + _with_sizes(sequences)
    header += bytes([len(pictures)]) + _with_sizes(pictures)
    if profile >= _HIGH:
        format_number = {"420": 1, "422": 2, "444": 3}[chroma]
        header += bytes([0xFC | format_number, 0xF8 | (bits - 8), 0xF8 | (bits - 8), 0])
    return header


def _with_sizes(units: Sequence[bytes]) -> bytes:
    return b"".join(len(unit).to_bytes(2, "big") + unit for unit in units)


def split_units(data: bytes, length_bytes: int | None) -> list[bytes]:
    """Return the units of a packet.

    Args:
        data: The packet.
        length_bytes: How long the length before each unit is; None for start codes.

    Raises:
        ValueError: The lengths do not fit the packet.
    """
    if length_bytes is None:
        places = [match.span() for match in _START_CODE.finditer(data)]
        ends = [begin for begin, _ in places[1:]] + [len(data)]
        cut = [data[begin:end].rstrip(b"\0") for (_, begin), end in zip(places, ends, strict=True)]
        return [unit for unit in cut if unit]
    units, place = [], 0
    while place < len(data):
        size = int.from_bytes(data[place : place + length_bytes], "big")
        place += length_bytes + size
        if place > len(data):
            raise ValueError("a unit is longer than its packet")
        if size:
            units.append(data[place - size : place])
    return units


def is_idr(units: Iterable[bytes]) -> bool:
    """Return whether these units are a picture that nothing after it looks behind."""
    slices = [unit_kind(unit) for unit in units if unit_kind(unit) in _SLICES]
    return bool(slices) and all(kind == IDR_SLICE for kind in slices)


def can_be_copied(units: Iterable[bytes], sets: ParameterSets) -> bool:
    """Return whether units are a picture and known things beside it, by these parameter sets.

    Sets whose numbers are new are added.
    """
    kinds = set()
    for unit in units:
        kind = unit_kind(unit)
        kinds.add(kind)
        if kind in _SET_KINDS and not sets.add(unit):
            return False
    return bool(kinds & _SLICES) and kinds <= _COPIED_KINDS | _LEFT_OUT_KINDS


def join_units(units: Iterable[bytes]) -> bytes:
    """Return units as a packet of a track whose header has the parameter sets."""
    kept = (unit for unit in units if unit_kind(unit) not in _LEFT_OUT_KINDS)
    return b"".join(len(unit).to_bytes(LENGTH_BYTES, "big") + unit for unit in kept)
