import av
import pytest

from outtake.video.read.probe import probe
from outtake.video.write.copy_plan import CopyPlan, find_runs
from outtake.video.write.parameter_sets import make_header, parse_header
from outtake.video.write.sequence_parameters import (
    BitReader,
    open_sequence_set,
    read_stated_reorder,
    skip_to_usability,
)
from tests.video.write.copied_clips import CLOSED


def sets_of(path):
    with av.open(str(path)) as container:
        return parse_header(container.streams.video[0].codec_context.extradata)[0]


def without_usability(unit: bytes) -> bytes:
    """Return a sequence parameter set that ends before what it says about players."""
    reader = open_sequence_set(unit)
    skip_to_usability(reader, unit[1])
    bits = "".join(f"{byte:08b}" for byte in unit[4:].replace(b"\0\0\3", b"\0\0"))
    bits = bits[: reader.place] + "01"
    bits += "0" * (-len(bits) % 8)
    return unit[:4] + bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8))


def test_numbers_are_read_bit_by_bit():
    reader = BitReader(bytes([0b10100110, 0b01000010, 0b10000000]))
    assert [reader.read_exp_golomb() for _ in range(5)] == [0, 1, 2, 3, 4]
    assert reader.read(2) == 0
    with pytest.raises(ValueError, match="cut off"):
        reader.read(8)


@pytest.mark.parametrize(
    ("options", "stated"),
    [
        ({"bf": "0"}, 0),
        ({"bf": "1"}, 1),
        ({"bf": "3", "x264-params": "b-pyramid=normal"}, 2),
        ({"profile": "baseline"}, 0),
        ({"bf": "1", "x264-params": "nal-hrd=vbr:vbv-maxrate=500:vbv-bufsize=500"}, 1),
        ({"bf": "1", "x264-params": "cqm=jvt:sar=7/5:overscan=show:colormatrix=bt709"}, 1),
        ({"bf": "1", "x264-params": "chromaloc=1:fullrange=on:tff=1"}, 1),
    ],
)
def test_what_an_encoder_states_of_its_order_is_found(make_video, options, stated):
    (unit,) = sets_of(make_video("in.mp4", frames=3, options=options)).sequence.values()
    assert read_stated_reorder(unit) == stated
    assert read_stated_reorder(without_usability(unit)) is None
    with pytest.raises(ValueError, match="cut off"):
        read_stated_reorder(unit[:7])


@pytest.mark.parametrize("frames_between", [0, 2])
def test_frames_in_another_order_of_which_nothing_is_said_are_not_copied(
    make_video, tmp_path, frames_between
):
    source = make_video("in.mp4", options=CLOSED | {"bf": str(frames_between)})
    sets = sets_of(source)
    sets.sequence = {number: without_usability(unit) for number, unit in sets.sequence.items()}
    silent = tmp_path / "silent.mp4"
    with av.open(str(source)) as before, av.open(str(silent), "w") as after:
        stream = before.streams.video[0]
        track = after.add_stream_from_template(stream, opaque=True)
        track.codec_context.extradata = make_header(sets, chroma="420", bits=8)
        for packet in before.demux(stream):
            if packet.size:
                packet.stream = track
                after.mux(packet)
    found = find_runs(probe(silent))
    if frames_between:
        assert found == "it does not say how far its frames are reordered"
    else:
        assert isinstance(found, CopyPlan)
