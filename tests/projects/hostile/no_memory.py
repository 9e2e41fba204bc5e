"""Tests ask for more memory than there is, at once and bit by bit."""
# --- test_it.py
import resource
from pathlib import Path


def test_before():  # passed
    pass


def test_at_once():  # failed
    bytearray(1 << 60)


def test_bit_by_bit():  # failed
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + (32 << 20), resource.RLIM_INFINITY))
    taken = []
    try:
        while True:
            taken.append(bytearray(1 << 20))
    finally:
        # Its report needs memory, too.
        taken.clear()


def test_after():  # passed
    pass
