import av
import pytest

from outtake.video.write.parameter_sets import (
    ParameterSets,
    can_be_copied,
    is_idr,
    join_units,
    make_header,
    parse_header,
    split_units,
)

# Of High profile, numbers 0 and 3; and a picture set for each.
SPS, SPS_3 = bytes.fromhex("67640014acd9"), bytes.fromhex("6742c01e22aa")
PPS, PPS_3 = bytes.fromhex("68ebe3cb"), bytes.fromhex("68212f82")
IDR, SLICE, INFORMATION = b"\x65\x88\x84", b"\x41\x9a\x21", b"\x06\x05\x01"


def sets_of(*units: bytes) -> ParameterSets:
    found = ParameterSets()
    assert all(found.add(unit) for unit in units)
    return found


def test_numbers_of_sets_are_read_and_a_second_meaning_is_noticed():
    found = sets_of(SPS, PPS, SPS_3, PPS_3, SPS)
    assert found.sequence == {0: SPS, 3: SPS_3}
    assert found.picture == {0: PPS, 3: PPS_3}
    assert not found.add(SPS + b"\x01")
    assert found.unused_id() == 1
    taken = ParameterSets({0: SPS}, dict.fromkeys(range(32), PPS))
    assert taken.unused_id() is None


def test_a_merged_header_holds_the_sets_of_both():
    header = make_header(sets_of(SPS, PPS), sets_of(SPS_3, PPS_3), chroma="420", bits=8)
    found, length_bytes = parse_header(header)
    assert length_bytes == 4
    assert found == sets_of(SPS, PPS, SPS_3, PPS_3)
    # The higher profile and level, and only what both promise.
    assert header[1:4] == bytes([100, 0x00, 0x1E])
    assert header[-4:] == bytes([0xFD, 0xF8, 0xF8, 0])


def test_a_header_of_start_codes_is_read_and_none_is_none():
    header = b"\0\0\0\1" + SPS + b"\0\0\1" + PPS
    assert parse_header(header) == (sets_of(SPS, PPS), None)
    assert parse_header(None) == (ParameterSets(), None)


@pytest.mark.parametrize("cut", [5, 7, 12, 18])
def test_a_header_that_is_cut_off_is_an_error(cut):
    header = make_header(sets_of(SPS, PPS), chroma="422", bits=10)
    with pytest.raises(ValueError, match="cut off"):
        parse_header(header[:cut])


@pytest.mark.parametrize("length_bytes", [2, 4, None])
def test_units_are_split_and_joined_without_parameter_sets(length_bytes):
    units = [SPS, PPS, INFORMATION, IDR]
    before = [
        b"\0\0\0\1" if length_bytes is None else len(unit).to_bytes(length_bytes, "big")
        for unit in units
    ]
    packet = b"".join(part for pair in zip(before, units, strict=True) for part in pair)
    assert split_units(packet, length_bytes) == units
    assert split_units(join_units(units), 4) == [INFORMATION, IDR]
    if length_bytes:
        with pytest.raises(ValueError, match="longer than its packet"):
            split_units(packet[:-1], length_bytes)


def test_only_pictures_with_known_things_beside_them_are_copied():
    known = sets_of(SPS, PPS)
    assert can_be_copied([SPS, INFORMATION, IDR], known)
    assert can_be_copied([SPS_3, PPS_3, SLICE], known)
    assert 3 in known.sequence
    assert not can_be_copied([SPS + b"\x01", IDR], known), "another set of the same number"
    assert not can_be_copied([INFORMATION], known), "no picture"
    assert not can_be_copied([IDR, b"\x74\x01"], known), "a slice of another layer"
    assert is_idr([SPS, IDR, IDR]) and not is_idr([IDR, SLICE]) and not is_idr([INFORMATION])


def test_the_header_that_an_encoder_gives_is_read(make_video):
    source = make_video("in.mp4", frames=2, options={"x264-params": "sps-id=7"})
    with av.open(str(source)) as container:
        found, length_bytes = parse_header(container.streams.video[0].codec_context.extradata)
    assert ([*found.sequence], [*found.picture], length_bytes) == ([7], [7], 4)
    assert found.can_be_described()
    assert not ParameterSets({0: SPS}).can_be_described()
