"""A test waits for itself, with all signals blocked or ignored."""

settings = {"timeoutMs": 700}
# --- test_it.py
import signal
import threading


def test_before():  # passed
    pass


def test_guilty():  # timed_out
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    lock = threading.Lock()
    with lock:
        lock.acquire()


def test_after():  # passed
    pass
