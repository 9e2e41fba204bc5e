"""freezegun stops the time for the whole session, as it is imported, and tests move it."""
# --- conftest.py
import freezegun
import pytest

FREEZER = freezegun.freeze_time("2012-01-14")
CLOCK = FREEZER.start()


@pytest.fixture
def clock():
    return CLOCK


def pytest_unconfigure():
    FREEZER.stop()
# --- test_it.py
import datetime
import time


def test_before(tmp_path):  # passed
    assert datetime.datetime.now().year == time.gmtime().tm_year == 2012


def test_back(clock):  # passed
    clock.move_to("1970-01-01")


def test_far(clock):  # passed
    assert time.time() == 0
    clock.move_to("9999-12-31")


def test_after(tmp_path):  # passed
    assert datetime.date.today().year == 9999


def test_fails():  # failed
    assert [1] == [2]
