"""A test reads a file beyond its end, through memory that is mapped to it."""
# --- test_it.py
import mmap
import os


def test_before():  # passed
    pass


def test_guilty(tmp_path):  # crashed
    with open(tmp_path / "file", "w+b") as file:
        file.truncate(1 << 20)
        mapped = mmap.mmap(file.fileno(), 1 << 20)
        os.ftruncate(file.fileno(), 0)
        mapped[1 << 19]


def test_after():  # passed
    pass
