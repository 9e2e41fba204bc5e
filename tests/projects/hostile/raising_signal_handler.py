"""A test leaves a timer behind that raises in the next test, or between the two."""
# --- test_it.py
import signal
import time


def overdue(number, frame):
    raise TimeoutError("too late")


def test_before():  # passed
    pass


def test_guilty():  # passed
    signal.signal(signal.SIGALRM, overdue)
    signal.setitimer(signal.ITIMER_REAL, 0.3)


def test_victim():  # failed
    time.sleep(20)


def test_after():  # passed
    pass
