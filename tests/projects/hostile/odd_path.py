"""A conftest fills the path and the environment with what no program expects."""
# --- conftest.py
import os
import sys

sys.path[:0] = ["", "\udcff", "no\nsuch\nfolder", "x" * 5_000]
sys.path.append(7)
os.environ["ODD"] = "\udcff"
os.environ["PYTEST_XDIST_WORKER"] = "gw7"
sys.argv[:] = []
# --- test_it.py
def test_it(tmp_path):  # passed
    pass


def test_fails():  # failed
    assert [1] == [2]
