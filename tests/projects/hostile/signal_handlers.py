"""A test takes all signals, and is interrupted a thousand times a second from then on."""
# --- test_it.py
import signal


def ignore(number, frame):
    pass


def test_before():  # passed
    pass


def test_guilty():  # passed
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, ignore)
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)


def test_after(tmp_path):  # passed
    (tmp_path / "file").write_text("text")


def test_fails():  # failed
    assert [1] == [2]
