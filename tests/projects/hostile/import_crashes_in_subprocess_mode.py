"""A file ends, another one stops the process that imports them, in subprocess mode."""

settings = {"executionMode": "subprocess", "workers": 2}
status = "failed"
names = ["test_exit.py", "test_stops.py"]
# --- test_exit.py
import os

os._exit(3)
# --- test_fine.py
def test_it():  # passed
    pass


def test_crashes():  # crashed
    import os

    os.abort()


def test_after():  # passed
    pass
# --- test_stops.py
import os
import signal

os.kill(os.getpid(), signal.SIGSTOP)
