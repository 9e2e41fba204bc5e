"""A test catches whatever it can, and stops the clock that would write its stacks."""

settings = {"timeoutMs": 700}
# --- test_it.py
import faulthandler
import time


def test_before():  # passed
    pass


def test_guilty():  # timed_out
    faulthandler.cancel_dump_traceback_later()
    while True:
        try:
            time.sleep(1)
        except BaseException:
            pass


def test_after():  # passed
    pass
