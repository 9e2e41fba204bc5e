"""Tests take every limit of the process down, each of which holds for the next tests as well."""
# --- test_it.py
import resource
import signal


def limit(what, soft):
    resource.setrlimit(what, (soft, soft))


def test_before():  # passed
    pass


def test_files():  # passed
    limit(resource.RLIMIT_NOFILE, 5)


def test_size_of_files():  # passed
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limit(resource.RLIMIT_FSIZE, 0)


def test_processes():  # passed
    limit(resource.RLIMIT_NPROC, 0)


def test_stack():  # passed
    limit(resource.RLIMIT_STACK, 1 << 16)


def test_after():  # passed
    pass


def test_fails():  # failed
    assert [1] == [2]
