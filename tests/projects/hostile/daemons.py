"""Tests start daemons that outlive them: in sessions of their own, with the output's descriptors."""
# --- test_it.py
import multiprocessing
import os
import subprocess
import sys
import time


def test_before():  # passed
    pass


def test_program():  # passed
    subprocess.Popen(["sleep", "600"], start_new_session=True)


def test_shell_in_the_background():  # passed
    subprocess.run("nohup sleep 600 &", shell=True, check=True)


def test_ignores_signals():  # passed
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    subprocess.Popen([sys.executable, "-c", code], start_new_session=True)


def test_forked_twice():  # passed
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(600)
        os._exit(0)
    os.wait()


def test_multiprocessing():  # passed
    context = multiprocessing.get_context("fork")
    context.Process(target=time.sleep, args=(600,), daemon=True).start()


def test_after():  # passed
    pass
