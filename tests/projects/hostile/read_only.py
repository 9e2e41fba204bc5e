"""A repository that may not be written to."""
# --- test_it.py
def test_it(tmp_path):  # passed
    (tmp_path / "file").write_text("text")


def test_fails():  # failed
    assert [1] == [2]
# --- setup
import os

os.chmod("test_it.py", 0o444)
os.chmod(".", 0o555)
