"""Threads that raise, exit, print for ever, or start threads for ever."""
# --- test_it.py
import sys
import threading


def test_before():  # passed
    pass


def test_raises():  # passed
    thread = threading.Thread(target=lambda: 1 / 0)
    thread.start()
    thread.join()


def test_exits():  # passed
    thread = threading.Thread(target=sys.exit, args=(1,))
    thread.start()
    thread.join()


def test_prints():  # passed
    def write():
        while True:
            try:
                print("for ever")
            except ValueError:
                pass

    threading.Thread(target=write, daemon=True).start()


def test_many():  # passed
    for _ in range(300):
        threading.Thread(target=threading.Event().wait, daemon=True).start()


def test_after():  # passed
    pass
