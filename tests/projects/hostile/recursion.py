"""Recursion without an end: in Python, in C, and with the limit taken away."""
# --- test_it.py
import sys


def test_before():  # passed
    pass


def test_in_python():  # failed
    def deep():
        deep()

    deep()


def test_in_c():  # failed
    class Deep:
        def __getattr__(self, name):
            return getattr(self, name)

    Deep().name


def test_without_a_limit():  # crashed
    class Deep:
        def __repr__(self):
            return repr([self])

    sys.setrecursionlimit(1 << 30)
    repr(Deep())


def test_after():  # passed
    pass
