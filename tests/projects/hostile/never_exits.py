"""A test leaves an exit handler and threads that never end."""
# --- test_it.py
import atexit
import threading


def test_guilty():  # passed
    atexit.register(threading.Event().wait)
    threading.Thread(target=threading.Event().wait).start()


def test_after():  # passed
    pass
