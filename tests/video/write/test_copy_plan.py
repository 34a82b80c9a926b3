from dataclasses import replace
from pathlib import Path

import pytest

from outtake.core.errors import OutputError
from outtake.video.colour import ColourTags
from outtake.video.orientation import Orientation
from outtake.video.read.clip import open_clip
from outtake.video.read.probe import VideoInfo, probe
from outtake.video.write.copy_plan import CopyPlan, find_obstacle, find_runs, plan_copying
from outtake.video.write.encoding_plan import EncodingRequest, choose_encoding
from tests.video.write.copied_clips import CLOSED, FRAMES, GROUP, OPEN


def plan(info: VideoInfo, name: str = "o.mp4", **asked) -> CopyPlan | None:
    request = EncodingRequest(**{"copy_unchanged": "auto"} | asked).for_source(info)
    return plan_copying(request, choose_encoding(Path(name), request), info)


def test_runs_are_the_groups_between_idr_pictures(make_video):
    info = probe(make_video("in.mp4", options=CLOSED))
    found = find_runs(info)
    assert isinstance(found, CopyPlan)
    assert [run.frames for run in found.runs] == [GROUP] * 5
    assert [run.first for run in found.runs] == [512 * GROUP * group for group in range(5)]
    assert {run.reorder for run in found.runs} <= {1, 2}
    assert sum(run.bytes for run in found.runs) < info.path.stat().st_size
    assert found.find_run(-1) is None
    assert found.find_run(512 * 7) is found.runs[1]
    assert found.runs[1].has_times([512 * number for number in range(6, 12)])
    assert not found.runs[1].has_times([512 * number for number in range(5, 11)])


def test_open_groups_are_one_run_to_the_end(make_video):
    found = find_runs(probe(make_video("in.mp4", options=OPEN)))
    assert isinstance(found, CopyPlan)
    assert [run.frames for run in found.runs] == [FRAMES]


def test_the_encoder_begins_anew_where_it_is_told_and_has_a_number_of_its_own(make_video):
    info = probe(make_video("in.mp4", options={"x264-params": "sps-id=1:keyint=6"}))
    found = plan(info)
    assert found is not None and found.encoder_id == 2
    options = found.adapt_encoding(choose_encoding(Path("o.mp4"), EncodingRequest())).options
    assert options["x264-params"].endswith("sps-id=2")
    assert options["forced-idr"] == "1"


@pytest.mark.parametrize(
    "asked", [{"crf": 20}, {"bitrate": "1M"}, {"profile": "main"}, {"level": 4.1}]
)
def test_auto_leaves_the_size_and_the_players_to_who_asks_for_them(make_video, asked):
    info = probe(make_video("in.mp4", options=CLOSED))
    assert plan(info) is not None
    assert plan(info, **asked) is None
    rate = "crf" in asked or "bitrate" in asked
    if rate:
        assert plan(info, copy_unchanged="always", **asked) is not None
    else:
        with pytest.raises(OutputError, match=r"always: .* encode\.(profile|level) is asked for;"):
            plan(info, copy_unchanged="always", **asked)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"codec": "mpeg4"}, "it is mpeg4"),
        ({"address": "rtsp://host"}, "it is a stream"),
        ({"orientation": Orientation(mirror_x=True)}, "its picture is turned"),
        ({"field_order": "tff"}, "it is interlaced"),
        ({"deinterlaced": True}, "read.deinterlace"),
        ({"pix_fmt": "yuv422p"}, "its yuv422p becomes yuv420p"),
        ({"colour": ColourTags(matrix=8)}, "its colour tags change"),
    ],
)
def test_what_is_not_the_same_in_the_output_is_a_reason(make_video, change, reason):
    info = replace(probe(make_video("in.mp4", options=CLOSED)), **change)
    request = EncodingRequest(copy_unchanged="always", codec="h264").for_source(info)
    assert reason in (find_obstacle(choose_encoding(Path("o.mp4"), request), info) or "")
    with pytest.raises(OutputError, match=r"copy_unchanged=always: no packet of"):
        plan(info, copy_unchanged="always", codec="h264")
    assert plan(info, codec="h264") is None


def test_other_outputs_and_other_sources_are_encoded_without_a_word(make_video, caplog):
    info = probe(make_video("in.mp4", options=CLOSED))
    assert plan(info, "o.mkv", codec="ffv1") is None
    assert plan(info, codec="h265") is None
    assert plan(probe(make_video("in.avi", "mpeg4"))) is None
    assert not caplog.records


def test_packets_that_do_not_say_when_they_are_shown_are_not_copied(make_video):
    info = probe(make_video("in.avi", options=CLOSED))
    assert find_runs(info) == "its packets do not say when their frames are shown"


def test_a_reader_that_deinterlaces_says_so(make_video):
    with open_clip(make_video("in.mp4"), deinterlace="bwdif") as clip:
        assert clip.info.deinterlaced
