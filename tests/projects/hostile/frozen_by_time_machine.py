"""time-machine changes what C functions say about the time, for the whole session."""
# --- conftest.py
import pytest
import time_machine


@pytest.fixture(scope="session", autouse=True)
def clock():
    with time_machine.travel(0, tick=False) as traveller:
        yield traveller
# --- test_it.py
import datetime
import time

import time_machine


def test_before(tmp_path):  # passed
    assert datetime.datetime.now().year == time.gmtime().tm_year == 1970


def test_far(clock):  # passed
    clock.move_to(datetime.datetime(9999, 12, 31, tzinfo=datetime.timezone.utc))


def test_after(tmp_path):  # passed
    assert datetime.datetime.now(datetime.timezone.utc).year == 9999


def test_never_ends():  # passed
    time_machine.travel(1, tick=False).start()


def test_fails():  # failed
    assert [1] == [2]
