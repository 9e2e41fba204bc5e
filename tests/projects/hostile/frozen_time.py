"""Time stands still for the whole session, at its beginning, and in a test backwards."""
# --- conftest.py
import datetime
import time


class Frozen(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls(1970, 1, 1, tzinfo=tz)

    utcnow = now


datetime.datetime = Frozen
for name in ("time", "monotonic", "perf_counter"):
    setattr(time, name, lambda: 0.0)
    setattr(time, f"{name}_ns", lambda: 0)
# --- test_it.py
import datetime
import itertools
import time


def test_before():  # passed
    assert time.time() == 0


def test_backwards():  # passed
    steps = itertools.count(0, -1000)
    time.time = time.monotonic = time.perf_counter = lambda: next(steps)


def test_after():  # passed
    assert datetime.datetime.now().year == 1970


def test_fails():  # failed
    assert [1] == [2]
