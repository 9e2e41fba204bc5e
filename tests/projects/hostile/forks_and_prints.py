"""Children of tests write to the output of their parents, and close it, after the test is over."""
# --- test_it.py
import os
import sys
import time


def test_before():  # passed
    print("said")


def test_child():  # passed
    if os.fork() == 0:
        for number in range(50):
            print("child", number, flush=True)
            os.write(2, b"child\n")
            time.sleep(0.01)
        sys.stdout.close()
        os._exit(0)


def test_popen_without_wait():  # passed
    import subprocess

    subprocess.Popen([sys.executable, "-c", "import time\nwhile 1: print(1); time.sleep(.01)"])


def test_after(capfd):  # passed
    print("said")


def test_fails():  # failed
    assert [1] == [2]
