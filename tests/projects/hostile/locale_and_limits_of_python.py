"""A test changes the locale, and the limits and switches of the interpreter."""
# --- test_it.py
import decimal
import gc
import locale
import os
import random
import sys


def test_before():  # passed
    pass


def test_guilty():  # passed
    locale.setlocale(locale.LC_ALL, "C")
    os.umask(0o777)
    gc.disable()
    gc.freeze()
    random.seed(0)
    decimal.getcontext().prec = 1
    sys.setswitchinterval(10)
    sys.setrecursionlimit(200)
    sys.dont_write_bytecode = False


def test_after():  # passed
    print("snow ☃")


def test_fails():  # failed
    assert {"a": 1} == {"a": 2}
