"""Jobs are commands that one could type; one runs at a time, and none outlives the studio."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from outtake.core.errors import ConfigError
from outtake.core.progress_lines import VARIABLE
from outtake.studio.job_commands import JobCommand, build_command
from outtake.studio.jobs import Jobs
from outtake.studio.project import Project


@pytest.fixture
def project(tmp_path):
    (tmp_path / "my clip").mkdir()
    Image.fromarray(np.zeros((24, 32, 3), np.uint8)).save(tmp_path / "my clip/0.png")
    names = ["background", "a ball, red"]
    with Project(tmp_path / "a project", tmp_path / "my clip", names) as project:
        yield project


STROKES = [
    {"stroke": 0, "tool": "brush", "class": 1, "size": 5, "points": [[4, 4]]},
    {"stroke": 1, "tool": "brush", "class": 0, "size": 5, "points": [[20, 4]]},
]


def label(project):
    project.labels[0].append(0, STROKES)


def test_a_job_cannot_begin_before_what_it_needs(project):
    with pytest.raises(ConfigError, match="no frame is labelled yet"):
        build_command(project, "train", {})
    project.labels[0].append(0, STROKES[:1])
    with pytest.raises(ConfigError, match="all that is labelled is a ball, red: mark the object"):
        build_command(project, "train", {})
    project.labels[0].append(1, STROKES[1:])
    for kind in ("suggest", "propose", "remove"):
        with pytest.raises(ConfigError, match="no network is trained yet"):
            build_command(project, kind, {})
    with pytest.raises(ConfigError, match="no network is trained yet"):
        build_command(project, "train", {"further": True})


def test_the_command_that_is_shown_is_the_one_that_runs(project):
    label(project)
    command = build_command(project, "train", {"budget_s": 60})
    assert shlex.split(command.text) == ["outtake", *command.arguments]
    assert command.run == project.folder.resolve() / "runs/round_001"
    (command.run / "checkpoints").mkdir(parents=True)
    (command.run / "checkpoints/last.ckpt").touch()
    further = build_command(project, "train", {"budget_s": 60, "further": True})
    assert f"init_from={command.run}" in further.arguments
    assert "name=round_002" in further.arguments
    removal = build_command(project, "remove", {"remover": "blur"})
    assert 'remove=["a ball, red"]' in removal.arguments
    assert shlex.split(removal.text) == ["outtake", *removal.arguments]


def test_one_job_at_a_time_and_an_error_is_its_last_line(project):
    jobs = Jobs(project.folder)
    job = jobs.start(lambda: JobCommand("suggest", ("nothing",)))
    asked = []
    with pytest.raises(ConfigError, match="suggest is still running"):
        # What it would keep in the project is of the job that runs.
        jobs.start(lambda: asked.append(0) or JobCommand("remove", ("remove",)))
    assert not asked
    with pytest.raises(ConfigError, match="suggest is still running"):
        jobs.start(lambda: JobCommand("train", ("train",)))
    while job.state == "running":
        time.sleep(0.02)
    said = job.describe()
    assert said["state"] == "failed" and "nothing" in said["message"]
    assert json.dumps(said)


def test_a_job_says_how_far_it_is_while_it_runs(project):
    jobs = Jobs(project.folder)
    job = jobs.start(lambda: JobCommand("suggest", ("watch", str(project.folder))))  # it has no end
    assert job.describe()["progress"] is None
    said = {"title": "clip.mp4", "done": 3, "total": 6, "left_s": 1.5}
    (project.folder / "logs/suggest.progress").write_text(json.dumps(said) + "\n")
    assert job.describe()["progress"] == said
    jobs.close()
    assert job.describe()["progress"] is None


def test_a_job_names_the_file_of_its_progress_to_the_program(project, monkeypatch):
    given = {}
    popen = subprocess.Popen

    def look(arguments, **options):
        given.update(options)
        return popen(arguments, **options)

    monkeypatch.setattr(subprocess, "Popen", look)
    jobs = Jobs(project.folder)
    jobs.start(lambda: JobCommand("suggest", ("nothing",)))
    jobs.close()
    assert given["env"][VARIABLE] == str(project.folder / "logs/suggest.progress")


def test_a_training_that_was_stopped_says_whether_it_left_weights(project):
    jobs = Jobs(project.folder)
    run = project.folder / "runs/round_001"
    jobs.start(lambda: JobCommand("train", ("nothing",), run=run))
    jobs.close()
    assert jobs.current.describe()["weights"] is False
    (run / "checkpoints").mkdir(parents=True)
    (run / "checkpoints/last.ckpt").touch()
    assert jobs.current.describe()["weights"] is True


def test_a_cancelled_job_is_gone(project):
    jobs = Jobs(project.folder)
    job = jobs.start(lambda: JobCommand("train", ("watch", str(project.folder))))  # it has no end
    for _ in range(3000):  # beside other work, its imports take long
        if "watching" in job.describe()["message"]:
            break
        time.sleep(0.02)
    assert job.state == "running" and "watching" in job.describe()["message"]
    job.cancel()
    for _ in range(3000):
        if job.state != "running":
            break
        time.sleep(0.02)
    assert job.state == "cancelled" and job.describe()["message"] == "interrupted"
    jobs.close()


def test_a_job_ends_with_the_studio_that_was_killed(tmp_path):
    code = (
        "import sys, time; from pathlib import Path; from outtake.studio.jobs import Jobs;"
        "from outtake.studio.job_commands import JobCommand;"
        "job = Jobs(Path('.')).start(lambda: JobCommand('train', ('watch', '.')));"
        "print(job._process.pid, flush=True); time.sleep(60)"
    )
    owner = subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout
    pid = int(owner.stdout.readline())
    owner.send_signal(signal.SIGKILL)
    owner.communicate()
    for _ in range(500):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        # Nobody may be there to fetch its exit code.
        with open(f"/proc/{pid}/stat") as file:
            if file.read().rpartition(")")[2].split()[0] == "Z":
                return
        time.sleep(0.02)
    raise AssertionError(f"process {pid} is still there")
