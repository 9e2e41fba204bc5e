"""Tests break logging, through which pytest reports."""
# --- test_it.py
import logging


class Raises(logging.Handler):
    def emit(self, record):
        raise RuntimeError("no log")


class Odd:
    def __str__(self):
        raise RuntimeError("no text")


def test_before():  # passed
    logging.warning("said")


def test_record():  # failed
    logging.warning("%s %s", Odd())


def test_handler():  # failed
    logging.getLogger().addHandler(Raises())
    logging.error("said")


def test_shutdown():  # passed
    logging.getLogger().handlers.clear()
    logging.disable()
    logging.shutdown()


def test_after():  # passed
    logging.warning("said")
