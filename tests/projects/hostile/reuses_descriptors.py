"""A test closes low descriptors and opens files of its own under their numbers."""
# --- test_it.py
import os


def test_before():  # passed
    print("said")


def test_guilty(tmp_path):  # passed
    os.closerange(3, 64)
    for number in range(60):
        os.open(tmp_path / str(number), os.O_RDWR | os.O_CREAT)


def test_between():  # passed
    print("said")


def test_standard(tmp_path):  # passed
    with open(tmp_path / "file", "w") as file:
        os.dup2(file.fileno(), 1)
    print("said")


def test_after(capfd):  # passed
    os.write(1, b"x")
    assert capfd.readouterr().out == "x"
