"""A test leaves its process without a word, as if all were well."""
# --- test_it.py
import os
import threading


def test_before():  # passed
    print("said")


def test_guilty():  # crashed
    os._exit(0)


def test_in_a_thread():  # crashed
    threading.Thread(target=os._exit, args=(0,)).start()
    threading.Event().wait()


def test_after():  # passed
    pass
