"""Streams and cameras, over the loopback: with an end, without one, and silent."""

import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from outtake.core.errors import VideoError
from outtake.video.read.clip import open_clip
from outtake.video.read.inputs import expand_inputs
from outtake.video.read.safety_limits import SafetyLimits
from outtake.video.write.video_writer import open_writer
from tests.video.corpus import FRAMES, GOOD, encode_clip

Answer = Callable[[BaseHTTPRequestHandler], None]
QUICK = SafetyLimits(timeout_s=1.5)


@contextmanager
def served(answer: Answer) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            try:
                answer(self)
            except OSError:  # the client has seen enough
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def whole(data: bytes) -> Answer:
    """Serve a file, and parts of it."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        span = request.headers.get("RangeResult", "bytes=0-").removeprefix("bytes=").split("-")
        first, last = int(span[0]), int(span[1] or len(data) - 1)
        request.send_response(206)
        request.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
        request.send_header("Content-Length", str(last + 1 - first))
        request.send_header("Accept-Ranges", "bytes")
        request.end_headers()
        request.wfile.write(data[first : last + 1])

    return answer


def pouring(chunks: Iterator[bytes], pause_s: float = 0) -> Answer:
    """Serve pieces of which nobody knows how many follow."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        for chunk in chunks:
            request.wfile.write(chunk)
            time.sleep(pause_s)

    return answer


def hanging(data: bytes) -> Answer:
    """Serve the beginning, and then keep the line open."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        request.wfile.write(data)
        request.wfile.flush()
        time.sleep(20)

    return answer


@pytest.fixture
def endless(tmp_path) -> Iterator[bytes]:
    """A transport stream of 10 minutes, of which a moment is made."""
    path = tmp_path / "live.ts"
    encode_clip(path, frames=100, pts=[512 * i for i in range(100)], options={"g": "10"})
    data = path.read_bytes()
    return itertools.chain([data], itertools.repeat(bytes(0)))


def test_a_file_behind_an_address_is_read_like_a_file(tmp_path):
    GOOD["h264 faststart"].make(tmp_path / "a.mp4")
    data = (tmp_path / "a.mp4").read_bytes()
    with served(whole(data)) as base:
        address = base.replace("//", "//user:secret@") + "/films/a.mp4?token=secret"
        with open_clip(address) as clip:
            frames = list(clip)
            again = list(clip)
            info = clip.info
    with open_clip(tmp_path / "a.mp4") as local:
        for frame, other, truth in zip(frames, again, local, strict=True):
            assert frame.pts == other.pts == truth.pts
            assert np.array_equal(frame.image, truth.image)
    assert not info.live and info.frames == FRAMES and info.address == address
    assert info.path.name == "a.mp4" and "secret" not in f"{info.path} {info}"


def test_a_stream_without_an_end_is_live_and_read_once(endless, tmp_path):
    with served(pouring(endless, 0.02)) as base, open_clip(f"{base}/live", end=1) as clip:
        assert clip.info.live and clip.info.duration_s == 1 and clip.digest() == ""
        with open_writer(tmp_path / "out.mp4", clip.info) as writer:
            for frame in clip:
                writer.write(frame)
        with pytest.raises(VideoError, match="live and can be read only once"):
            list(clip)
    with open_clip(tmp_path / "out.mp4") as written:
        assert [float(f.pts * f.time_base) for f in written] == pytest.approx(
            [i / 25 for i in range(25)], abs=1e-3
        )


def test_selection_counts_from_the_first_frame_of_a_stream(endless):
    part = {"start": 0.4, "end": 2, "every": 10, "skip": 1}
    with served(pouring(endless)) as base, open_clip(f"{base}/live", **part) as clip:
        times = [float(frame.pts * frame.time_base) for frame in clip]
        begin = clip.info.start_s - 0.4
    assert [time - begin for time in times] == pytest.approx([0.8, 1.2, 1.6], abs=1e-3)


def test_a_stream_that_falls_silent_is_an_error_in_time(tmp_path):
    path = tmp_path / "live.ts"
    encode_clip(path, frames=60, pts=[512 * i for i in range(60)], options={"g": "10"})
    with served(hanging(path.read_bytes())) as base:
        start = time.monotonic()
        with pytest.raises(
            VideoError, match=r"gave nothing for 1\.5 s; .* read\.limits\.timeout_s"
        ):
            list(open_clip(f"{base}/live", limits=QUICK))
        assert time.monotonic() - start < 6


def test_a_server_that_says_nothing_is_an_error_in_time():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        for scheme in ("http", "tcp", "rtsp"):
            start = time.monotonic()
            with pytest.raises(VideoError, match=r"gave nothing for 0\.5 s"):
                open_clip(f"{scheme}://127.0.0.1:{port}/live", limits=SafetyLimits(timeout_s=0.5))
            assert time.monotonic() - start < 4


def test_a_stream_that_breaks_off_is_an_error(tmp_path):
    GOOD["h264 faststart"].make(tmp_path / "a.mp4")
    data = (tmp_path / "a.mp4").read_bytes()

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        request.wfile.write(data[: len(data) * 7 // 10])
        request.close_connection = True

    with served(answer) as base, pytest.raises(VideoError, match=r"damaged|truncated|broke off"):
        list(open_clip(f"{base}/a.mp4"))


def test_an_address_without_anything_is_one_line_without_the_password():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(VideoError, match="cannot open") as caught:
        open_clip(f"rtsp://user:secret@127.0.0.1:{port}/door")
    assert "secret" not in str(caught.value)
    with pytest.raises(VideoError, match="unknown kind of stream; use http, https, rtsp"):
        open_clip("gopher://127.0.0.1/film")


def test_an_address_cannot_lead_to_a_file(tmp_path):
    encode_clip(tmp_path / "a.ts")
    playlist = (
        f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://{tmp_path}/a.ts\n#EXT-X-ENDLIST"
    )
    with served(whole(playlist.encode())) as base, pytest.raises(VideoError):
        list(open_clip(f"{base}/list.m3u8", limits=QUICK))


def test_a_playlist_of_the_net_is_followed(tmp_path):
    encode_clip(tmp_path / "a.ts")
    film_bytes = (tmp_path / "a.ts").read_bytes()
    playlist = b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:0.48,\n/a.ts\n#EXT-X-ENDLIST\n"

    def answer(request: BaseHTTPRequestHandler) -> None:
        whole(playlist if request.path.endswith("m3u8") else film_bytes)(request)

    with served(answer) as base, open_clip(f"{base}/list.m3u8") as clip:
        assert len(list(clip)) == FRAMES and not clip.info.live


def test_a_camera_that_is_not_there_is_one_line():
    with pytest.raises(VideoError, match=r"no such camera: camera:97 \(/dev/video97\); there is"):
        open_clip("camera:97")
    with pytest.raises(VideoError, match="no such camera: /dev/video98"):
        open_clip("/dev/video98")
    (source,) = expand_inputs("camera:97")
    assert source.name == "camera_97" and source.address == "camera:97"
