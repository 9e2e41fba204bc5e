"""Tests replace functions of standard modules that all of pytest uses, and never restore them."""
# --- test_it.py
import json
import os
import select
import signal
import socket
import sys
import threading
import time


def broken(*arguments, **options):
    raise RuntimeError("patched")


def break_all(module, names):
    for name in names.split():
        setattr(module, name, broken)


def test_before():  # passed
    pass


def test_json():  # passed
    break_all(json, "dumps loads dump load JSONEncoder JSONDecoder")


def test_socket():  # passed
    break_all(socket, "socket create_connection socketpair getaddrinfo")
    break_all(select, "select poll epoll")


def test_os():  # passed
    break_all(os, "fork _exit kill waitpid pipe execv killpg getppid listdir walk stat lstat")


def test_signals_and_threads():  # error
    break_all(signal, "signal pthread_sigmask setitimer alarm getsignal")
    break_all(threading, "Thread Lock RLock Event enumerate")


def test_frames():  # passed
    break_all(sys, "_current_frames exit getsizeof setrecursionlimit")


def test_time():  # passed
    break_all(time, "sleep monotonic perf_counter_ns process_time")


def test_after():  # passed
    pass


def test_fails():  # failed
    assert [1] == [2]
