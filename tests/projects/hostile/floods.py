"""A test writes 40 MB, and leaves a process and a thread that go on writing."""
# --- test_it.py
import os
import subprocess
import sys
import threading


def test_before():  # passed
    print("said")


def test_much():  # failed
    for _ in range(20):
        os.write(1, b"x" * (1 << 20))
        print("y" * (1 << 20), file=sys.stderr)
    raise AssertionError("z" * (1 << 22))


def test_for_ever():  # passed
    def write():
        while True:
            os.write(1, b"thread\n")

    threading.Thread(target=write, daemon=True).start()
    subprocess.Popen("while sleep 0.001; do echo process; done", shell=True)


def test_after():  # passed
    print("said")
