"""Loops of links, FIFOs, sockets and folders that are named as tests, and files with odd names."""

expected = {
    "test_folder.py/test_in.py::test_it": "passed",
    "test_[a].py::test_it": "passed",
    "test_b's \"c\".py::test_it": "passed",
    "test_é☃😀.py::test_it": "passed",
    "new\nline/test_it.py::test_it": "passed",
}
# --- test_fine.py
def test_it():  # passed
    pass


def test_fails():  # failed
    assert [1] == [2]
# --- setup
import os
import socket
from pathlib import Path

os.symlink("other_loop", "loop")
os.symlink("loop", "other_loop")
os.symlink("test_self.py", "test_self.py")
os.symlink("nowhere", "test_nowhere.py")
os.mkfifo("test_fifo.py")
os.mkfifo("conftest_fifo.py")
socket.socket(socket.AF_UNIX).bind("test_socket.py")
for name in ("test_folder.py", "new\nline"):
    os.mkdir(name)
for name in (
    "test_folder.py/test_in.py",
    "test_[a].py",
    "test_b's \"c\".py",
    "test_é☃😀.py",
    "new\nline/test_it.py",
):
    Path(name).write_text("def test_it():\n    pass\n")
