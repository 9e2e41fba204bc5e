"""Timers that a test leaves behind reach the next test, and never the worker's own code."""

from __future__ import annotations

import subprocess
import sys

# A process of its own has one thread: any other could take the signal.
PROGRAM = """
import signal

from pytest_lens.worker.running import timer_signals


class Overdue(Exception):
    pass


def overdue(*_):
    raise Overdue


def is_held():
    return signal.SIGALRM in signal.pthread_sigmask(signal.SIG_BLOCK, [])


signal.signal(signal.SIGALRM, overdue)
timer_signals.hold()
signal.setitimer(signal.ITIMER_REAL, 0.001)
while signal.SIGALRM not in signal.sigpending():
    pass
try:
    timer_signals.let()
except Overdue:
    print("the next test gets it")
timer_signals.hold()
# The run ends, and the timer still runs.
signal.setitimer(signal.ITIMER_REAL, 600)
timer_signals.end()
timer_signals.hold()
print("held:", is_held())
signal.setitimer(signal.ITIMER_REAL, 0)
timer_signals.end()
print("held:", is_held())
"""


def test_a_timer_waits_for_the_next_test() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM], check=True, stdout=subprocess.PIPE, text=True, timeout=60
    )
    assert ran.stdout == "the next test gets it\nheld: True\nheld: False\n"
