"""Tests close the low descriptors, among them those of pytest's capture, one by one and all."""
# --- test_it.py
import os


def test_before():  # passed
    print("said")


def test_all():  # error
    os.closerange(3, 64)


def test_between(capfd):  # passed
    os.write(1, b"x")
    assert capfd.readouterr().out == "x"


def test_of_capture(pytestconfig):  # error
    capture = pytestconfig.pluginmanager.get_plugin("capturemanager")._global_capturing
    os.close(capture.out.tmpfile.fileno())


def test_saved(pytestconfig):  # error
    capture = pytestconfig.pluginmanager.get_plugin("capturemanager")._global_capturing
    os.close(capture.err.targetfd_save)


def test_after(capsys, tmp_path):  # passed
    print("said")
    (tmp_path / "file").write_text("text")
    assert capsys.readouterr().out == "said\n"
