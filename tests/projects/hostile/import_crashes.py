"""Files end the process that imports them, each in its own way; the tests of the other files run."""

status = "failed"
names = ["test_abort.py", "test_exit.py", "helper.py", "test_kill.py", "test_segfault.py", "package/__init__.py", "test_late.py"]
# --- conftest.py
# --- helper.py
import os

os._exit(0)
# --- package/__init__.py
import os
import signal

os.kill(os.getpid(), signal.SIGTERM)
# --- package/test_in_package.py
def test_it():
    pass
# --- sound.py
import test_sound
# --- test_abort.py
import sound
import os

os.abort()
# --- test_exit.py
import os

os._exit(3)
# --- test_fine.py
import sound


def test_it():  # passed
    assert sound
# --- test_helper.py
try:
    import helper
except BaseException:
    helper = None


def test_it():
    pass
# --- test_helper_too.py
from helper import name
# --- test_kill.py
import os
import signal

os.kill(os.getpid(), signal.SIGKILL)
# --- test_late.py
import os


def pytest_generate_tests(metafunc):
    os._exit(4)


def test_it(value):
    pass
# --- test_segfault.py
import ctypes

ctypes.string_at(0)
# --- test_sound.py
def test_it():  # passed
    pass
