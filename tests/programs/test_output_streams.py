from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

from outtake.programs.output_streams import LastingStream


def test_a_reader_that_has_gone_ends_nothing() -> None:
    reading, writing = os.pipe()
    said = io.StringIO()
    with os.fdopen(writing, "w") as pipe:
        stream = LastingStream(pipe, said)
        os.close(reading)
        for _ in range(3):
            assert stream.write("epoch 1\n") == 8
            stream.flush()
        print("epoch 2", file=stream, flush=True)
        assert stream.fileno() == pipe.fileno()
    assert said.getvalue().count("\n") == 1
    assert "Broken pipe" in said.getvalue() and "goes on without it" in said.getvalue()


def test_a_full_disk_ends_nothing() -> None:
    said = io.StringIO()
    with open("/dev/full", "w") as full:
        stream = LastingStream(full, said)
        stream.write("a line\n")
        stream.flush()
        stream.write("another\n")
        stream.flush()
    assert "No space left" in said.getvalue()


def test_no_file_takes_the_place_of_a_stream_that_was_closed(tmp_path: Path) -> None:
    code = (
        "import os, sys\n"
        "from outtake.programs.output_streams import install_lasting_streams\n"
        "install_lasting_streams()\n"
        "file = open('made', 'w')\n"
        "os.write(2, b'a library says')\n"
        "print('a line', file=sys.stderr)"
    )
    command = ["sh", "-c", 'exec "$0" -c "$1" <&- 2>&-', sys.executable, code]
    done = subprocess.run(command, cwd=tmp_path, stdout=subprocess.PIPE, timeout=60)
    assert done.returncode == 0 and not done.stdout
    assert not (tmp_path / "made").read_bytes()


def test_names_that_are_no_text_are_escaped() -> None:
    written = io.BytesIO()
    stream = LastingStream(io.TextIOWrapper(written, encoding="ascii"))
    stream.write(os.fsdecode(b"caf\xe9") + " \u00e9")
    stream.flush()
    assert written.getvalue() == rb"caf\udce9 \xe9"
