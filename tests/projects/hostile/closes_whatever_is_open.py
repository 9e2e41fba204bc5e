"""A test closes all files that Python knows, by their objects."""
# --- test_it.py
import gc
import io


def test_before():  # passed
    print("said")


def test_guilty():  # error
    for thing in gc.get_objects():
        if isinstance(thing, io.IOBase):
            thing.close()


def test_after():  # passed
    print("said")
