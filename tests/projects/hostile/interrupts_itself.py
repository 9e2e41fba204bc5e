"""A test sends itself Ctrl-C's signal, which ends a session, as under plain pytest."""
status = "stopped"
# --- test_it.py
import os
import signal
import time


def test_before():  # passed
    pass


def test_guilty():  # error
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(60)


def test_after():  # not_run
    pass
