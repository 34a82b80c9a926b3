import pytest

from tests.inference.trained import run_script


def test_a_signal_arrives_after_backends_have_come_and_gone():
    pytest.importorskip("openvino")
    script = """
        import gc, os, signal
        from pathlib import Path
        from outtake.inference.open_backend import open_backend
        from tests.inference.trained import SIZE, TrainedCheckpoint, make_pictures, trained_task
        signal.signal(signal.SIGUSR1, lambda *_: print("arrived", flush=True))
        opened = []
        for _ in range(3):
            trained = TrainedCheckpoint(trained_task(), Path("none", "best.ckpt"))
            opened.append(open_backend("openvino", trained, cache=False))
            opened[-1](make_pictures(1, 0)[0], SIZE)
        while opened:
            del opened[0]
            gc.collect()
            os.kill(os.getpid(), signal.SIGUSR1)
    """
    done = run_script(script)
    assert (done.returncode, done.stdout) == (0, "arrived\n" * 3), done.stderr
