"""Objects raise, or lie, whatever they are asked, while failures are explained."""
# --- test_it.py
import pytest


class Raises:
    def _raise(self, *arguments):
        raise RuntimeError("not for you")

    __repr__ = __str__ = __eq__ = __ne__ = __bool__ = __len__ = __iter__ = _raise
    __format__ = __dir__ = __hash__ = __contains__ = __reduce_ex__ = _raise

    def __del__(self):
        raise RuntimeError("not even then")


class Exits:
    def __repr__(self):
        raise SystemExit("in repr")


class Lies:
    __class__ = property(lambda self: self._raise())

    def _raise(self):
        raise RuntimeError("no class")


class Odd(Exception):
    __str__ = __repr__ = lambda self: 1 / 0


def test_before():  # passed
    pass


def test_repr():  # failed
    thing = Raises()
    assert thing is None


def test_equal():  # failed
    assert Raises() == 1


def test_exit_in_repr():  # failed
    thing = Exits()
    assert thing is None


def test_class():  # failed
    thing = Lies()
    assert thing == 1


def test_exception():  # failed
    raise Odd


@pytest.mark.xfail(reason="it raises")
def test_expected():  # xfailed
    raise Odd


def test_del():  # passed
    Raises()


def test_after():  # passed
    pass
