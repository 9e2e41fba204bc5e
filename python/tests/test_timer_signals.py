"""Timers that a test leaves behind reach the next test, and never the worker's own code."""

from __future__ import annotations

import signal

import pytest

from pytest_lens.worker.running import timer_signals


def test_a_timer_waits_for_the_next_test() -> None:
    def overdue(*_: object) -> None:
        raise TimeoutError("too late")

    before = signal.signal(signal.SIGALRM, overdue)
    timer_signals.hold()
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.001)
        while signal.SIGALRM not in signal.sigpending():
            pass
        with pytest.raises(TimeoutError):
            timer_signals.let()
        timer_signals.hold()
        # The run ends, and the timer still runs.
        signal.setitimer(signal.ITIMER_REAL, 600)
        timer_signals.end()
        timer_signals.hold()
        assert signal.SIGALRM in signal.pthread_sigmask(signal.SIG_BLOCK, [])
        signal.setitimer(signal.ITIMER_REAL, 0)
        timer_signals.end()
        assert signal.SIGALRM not in signal.pthread_sigmask(signal.SIG_BLOCK, [])
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
