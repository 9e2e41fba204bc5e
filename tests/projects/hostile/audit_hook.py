"""A test adds an audit hook, which nobody can remove, and which forbids everything."""
# --- test_it.py
import sys


def forbid(event, arguments):
    raise RuntimeError(f"{event} is forbidden")


def test_before():  # passed
    pass


def test_guilty():  # error
    sys.addaudithook(forbid)


def test_after():  # passed
    pass
