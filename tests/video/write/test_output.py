"""Whose an output is: locks, playable parts, several outputs of one job, files of others."""

import errno
import fcntl
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from outtake.core.errors import OutputError
from outtake.video.read.probe import probe
from outtake.video.write.open_output import open_output
from outtake.video.write.output import Output, finish_outputs
from outtake.video.write.output_checks import check_target
from tests.video.segmenting import JOB, file_names, read_frames, write_segments

LOCKING = """
import fcntl, sys
with open(sys.argv[1], "a") as file:
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(17)
"""


def is_locked(part: Path) -> bool:
    """Ask as another process: this one could take its own lock again."""
    asked = subprocess.run([sys.executable, "-S", "-c", LOCKING, part / "lock"], timeout=60)
    assert asked.returncode in (0, 17)
    return asked.returncode == 17


@pytest.mark.parametrize("name", ["o.mp4", "frames"])
def test_a_kill_while_the_target_takes_its_place_is_no_reason_to_refuse_the_job(
    make_video, tmp_path, monkeypatch, name
):
    source = make_video("in.mp4")
    info, target = probe(source), tmp_path / name
    output = open_output(target, info, fingerprint=JOB)
    write_segments(output, read_frames(source))
    replace_in_place = os.replace

    def killed(source: Path, place: Path) -> None:
        replace_in_place(source, place)
        if place == target:
            raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        output.finish(3)
    monkeypatch.undo()
    with pytest.raises(OutputError, match="overwrite=true"):
        check_target(target, source)
    check_target(target, source, resume=True)
    again = open_output(target, info, resume=True, fingerprint=JOB)
    assert again.complete_segments == (0, 1, 2)
    assert again.finish(3) == 30
    assert file_names(tmp_path) == sorted(["in.mp4", name])


def test_foreign_files_where_segments_go_are_not_touched(make_video, tmp_path):
    info = probe(make_video("in.mp4"))
    (tmp_path / "o.mp4.part").mkdir()
    (tmp_path / "o.mp4.part" / "diary.txt").touch()
    with pytest.raises(OutputError, match=r"holds diary\.txt"):
        open_output(tmp_path / "o.mp4", info)
    assert file_names(tmp_path / "o.mp4.part") == ["diary.txt"]


@pytest.mark.parametrize("name", ["clip.mp4", "clip"])
def test_a_playable_part_takes_no_name_of_another(make_video, tmp_path, name):
    source = make_video("clip.partial.mp4", audio="aac")
    info, frames, before = probe(source), read_frames(source), source.read_bytes()
    taken = tmp_path / f"clip.partial{Path(name).suffix}"
    if taken != source:
        taken.write_text("mine")
    output = open_output(tmp_path / name, info, fingerprint=JOB)
    write_segments(output, frames, [0])
    kept = output.salvage()
    assert kept is not None and kept.path.name == f"clip.partial-2{Path(name).suffix}"
    again = open_output(tmp_path / name, info, resume=True, fingerprint=JOB)
    write_segments(again, frames, [1])
    longer = again.salvage()
    assert longer is not None and (longer.path, longer.frames) == (kept.path, 22)
    write_segments(again, frames, [2])
    again.finish(3)
    assert source.read_bytes() == before
    assert file_names(tmp_path) == sorted({source.name, taken.name, name})


@pytest.mark.parametrize("changed", [{"fingerprint": {"other": 1}}, {"resume": False}])
def test_the_playable_part_of_a_job_goes_with_the_next_that_starts_again(
    make_video, tmp_path, changed
):
    source, target = make_video("in.mp4"), tmp_path / "o.mp4"
    info, frames = probe(source), read_frames(source)
    first = open_output(target, info, fingerprint=JOB)
    write_segments(first, frames, [0])
    assert first.salvage() is not None
    first.release()
    options = {"fingerprint": JOB, "resume": True, **changed}
    again = open_output(target, info, **options)
    assert again.complete_segments == ()
    write_segments(again, frames)
    again.finish(3)
    assert file_names(tmp_path) == ["in.mp4", "o.mp4"]


def test_a_playable_part_that_is_read_now_stays(make_video, tmp_path):
    source = make_video("in.mp4")
    info, frames, target = probe(source), read_frames(source), tmp_path / "o.mp4"
    first = open_output(target, info, fingerprint=JOB)
    write_segments(first, frames, [0])
    part = tmp_path / "o.partial.mp4"
    assert first.salvage() is not None and part.exists()
    content = part.read_bytes()
    again = open_output(target, info, resume=True, fingerprint=JOB, input_paths={"masks": part})
    write_segments(again, frames, [1])
    kept = again.salvage()
    assert kept is not None and kept.path.name == "o.partial-2.mp4"
    write_segments(again, frames, [2])
    again.finish(3)
    assert part.read_bytes() == content
    assert file_names(tmp_path) == ["in.mp4", "o.mp4", "o.partial.mp4"]


SECOND = """
import sys
from outtake.video.read.clip import open_clip
from outtake.video.write.open_output import open_output
source, target = sys.argv[1:]
with open_clip(source) as clip:
    output = open_output(target, clip.info, fingerprint={"a": 1})
    with output.open_segment(0) as first, output.open_segment(1) as second:
        for index, frame in enumerate(clip):
            (first if index < 11 else second).write(frame)
            if index == 10:
                first.__exit__(None, None, None)
            if index == 15:
                print("writing", flush=True)
                sys.stdin.read()
"""


def test_another_process_keeps_its_output_until_it_ends(make_video, tmp_path):
    source, target = make_video("in.mp4"), tmp_path / "o.mp4"
    info, part = probe(source), tmp_path / "o.mp4.part"
    other = subprocess.Popen(
        [sys.executable, "-c", SECOND, str(source), str(target)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert other.stdout is not None and other.stdout.readline() == "writing\n"
        there = file_names(part)
        assert any(".tmp-" in name for name in there)
        for resume in (True, False):
            with pytest.raises(OutputError, match=r"another process is writing to .*o\.mp4;"):
                open_output(target, info, resume=resume, fingerprint={"a": 1})
        assert file_names(part) == there
    finally:
        other.kill()
        other.communicate()
    again = open_output(target, info, resume=True, fingerprint={"a": 1})
    assert again.complete_segments == (0,)
    assert not any(".tmp-" in name for name in file_names(part))


def test_an_output_is_held_until_it_is_let_go(make_video, tmp_path):
    info, part = probe(make_video("in.mp4")), tmp_path / "o.mp4.part"
    first = open_output(tmp_path / "o.mp4", info, fingerprint=JOB)
    copied = pickle.loads(pickle.dumps(first))
    second = open_output(tmp_path / "o.mp4", info, resume=True, fingerprint=JOB)
    first.release()
    copied.release()
    assert is_locked(part)
    second.release()
    assert not is_locked(part)
    second.release()
    third = open_output(tmp_path / "o.mp4", info, fingerprint=JOB)
    assert is_locked(part)
    del third
    assert not is_locked(part)


def test_without_locks_on_a_file_system_work_continues(make_video, tmp_path, monkeypatch):
    def unknown(*args: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", unknown)
    monkeypatch.setattr(fcntl, "lockf", unknown)
    source = make_video("in.mp4")
    output = open_output(tmp_path / "o.mp4", probe(source))
    write_segments(output, read_frames(source))
    assert output.finish(3) == 30
    assert file_names(tmp_path) == ["in.mp4", "o.mp4"]


@contextmanager
def killed_at(operation: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Let nothing more happen on the disk after so many renames and deletions."""
    done = [0]

    def counted(act):
        def acts(*args, **kwargs):
            if done[0] >= operation:
                raise KeyboardInterrupt
            done[0] += 1
            return act(*args, **kwargs)

        return acts

    with monkeypatch.context() as patch:
        for name in ("replace", "unlink", "rmdir"):
            patch.setattr(os, name, counted(getattr(os, name)))
        yield done


def test_after_a_kill_two_outputs_are_both_there_or_both_resume(make_video, tmp_path, monkeypatch):
    source = make_video("in.mp4", size=(48, 32))
    info, frames = probe(source), read_frames(source)
    targets = ("o.mp4", "o.provenance.mp4")

    def both(folder: Path) -> list[Output]:
        for name in targets:
            check_target(folder / name, source, resume=True)
        return [open_output(folder / name, info, resume=True, fingerprint=JOB) for name in targets]

    (tmp_path / "ready").mkdir()
    for output in both(tmp_path / "ready"):
        write_segments(output, frames)
    outcomes = []
    for operation in range(200):
        folder = tmp_path / str(operation)
        shutil.copytree(tmp_path / "ready", folder)
        outputs = both(folder)
        with killed_at(operation, monkeypatch) as done:
            try:
                finish_outputs(outputs, 3)
            except KeyboardInterrupt:
                pass
            else:
                break
        assert done == [operation]
        for output in outputs:
            output.release()
        try:
            assert finish_outputs(both(folder), 3) == 30
            outcomes.append("went on")
        except OutputError as error:
            assert "o.mp4 exists; set overwrite=true" in str(error)
            outcomes.append("was there")
        assert file_names(folder) == sorted(targets)
        assert all(len(read_frames(folder / name)) == 30 for name in targets)
    else:
        pytest.fail("it never came to its end")
    assert file_names(folder) == sorted(targets)
    assert outcomes == sorted(outcomes, reverse=True) and len(set(outcomes)) == 2


def test_where_one_output_cannot_be_finished_none_appears(make_video, tmp_path):
    source = make_video("in.mp4")
    info, frames = probe(source), read_frames(source)
    outputs = [open_output(tmp_path / name, info) for name in ("a.mp4", "b.mp4")]
    for output in outputs:
        write_segments(output, frames)
    data = tmp_path / "b.mp4.part" / "00001.mkv"
    content = data.read_bytes()
    data.write_bytes(b"no film")
    with pytest.raises(OutputError, match=r"cannot write .*b\.mp4"):
        finish_outputs(outputs, 3)
    assert file_names(tmp_path) == ["a.mp4.part", "b.mp4.part", "in.mp4"]
    assert not list(tmp_path.glob("*.part/joined*"))
    data.write_bytes(content)
    assert finish_outputs(outputs, 3) == 30


def test_another_job_does_not_replace_what_a_killed_one_had_finished(
    make_video, tmp_path, monkeypatch
):
    source, target = make_video("in.mp4"), tmp_path / "o.mp4"
    info, frames = probe(source), read_frames(source)
    output = open_output(target, info, fingerprint=JOB)
    write_segments(output, frames)
    with killed_at(2, monkeypatch), pytest.raises(KeyboardInterrupt):
        output.finish(3)
    assert target.exists()
    with pytest.raises(OutputError, match="exists; set overwrite=true"):
        open_output(target, info, resume=True, fingerprint={"config": 2})
    assert open_output(target, info, resume=True, fingerprint=JOB).finish(3) == 30


def test_an_output_without_segments_is_discarded_without_a_trace(make_video, tmp_path):
    info = probe(make_video("in.mp4"))
    output = open_output(tmp_path / "o.mp4", info)
    assert not output.has_segments()
    output.discard()
    assert file_names(tmp_path) == ["in.mp4"]
    output.discard()
    output.release()
    assert not output.has_segments()
    open_output(tmp_path / "o.mp4", info).discard()


def test_a_file_where_segments_go_is_not_touched(make_video, tmp_path):
    info = probe(make_video("in.mp4"))
    (tmp_path / "o.mp4.part").write_text("half a download")
    with pytest.raises(OutputError, match=r"o\.mp4\.part is where segments go, but is a file"):
        open_output(tmp_path / "o.mp4", info)
    assert (tmp_path / "o.mp4.part").read_text() == "half a download"
