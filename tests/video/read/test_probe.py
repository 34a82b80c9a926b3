from outtake.video.read.probe import probe


def test_probe_describes_the_video(make_video):
    info = probe(make_video("clip.mp4", audio="aac", size=(98, 62)))
    assert (info.width, info.height, info.frames, info.has_audio) == (98, 62, 30, True)
    assert (info.codec, info.pix_fmt, info.bit_depth, info.rotation) == ("h264", "yuv420p", 8, 0)
    assert abs(info.fps - 25) < 1
