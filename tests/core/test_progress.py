import io

from rich.console import Console

from outtake.core.progress import frame_bar, progress_bar, trial_bar


def test_a_bar_counts_on_a_terminal():
    console = Console(file=io.StringIO(), force_terminal=True, width=80)
    with progress_bar("Reading", 4, done=1, console=console) as bar:
        bar.advance(bar.task_ids[0])
    assert "Reading" in console.file.getvalue() and "2/4" in console.file.getvalue()


def test_a_file_gets_no_bar():
    console = Console(file=io.StringIO())
    with trial_bar(4, console) as bar:
        bar.advance(bar.task_ids[0])
    assert console.file.getvalue().strip() == ""


def test_frames_can_be_counted_without_a_bar(capsys):
    with frame_bar("clip.mp4", None, shown=False) as bar:
        bar.advance(bar.task_ids[0], 3)
    assert bar.tasks[0].completed == 3 and capsys.readouterr().err == ""
