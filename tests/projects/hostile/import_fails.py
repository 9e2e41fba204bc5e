"""Files that can't be imported, each in its own way; the tests of the other files run."""

status = "failed"
names = ["test_cycle.py", "test_exits.py", "test_odd.py", "test_recursion.py", "test_syntax.py", "test_bytes.py", "test_nul.py"]
# --- a.py
from b import second

first = 1
# --- b.py
from a import first

second = 2
# --- test_cycle.py
import a


def test_it():
    assert a
# --- test_exits.py
raise SystemExit(0)
# --- test_fine.py
def test_it():  # passed
    pass
# --- test_odd.py
class Odd(Exception):
    __str__ = __repr__ = lambda self: 1 / 0


raise Odd
# --- test_recursion.py
def test_it():
    pass


def deep():
    deep()


deep()
# --- test_syntax.py
def test_it(:
# --- setup
from pathlib import Path

Path("test_bytes.py").write_bytes(b"def test_it():\n    '\xff'\n")
Path("test_nul.py").write_bytes(b"def test_it():\n    '\x00'\n")
