"""A folder and a file that may not be read; the other tests run. Root may read everything."""

import os

is_root = os.geteuid() == 0
expected = {"closed/test_it.py::test_it": "passed", "test_closed.py::test_it": "passed"}
expected = expected if is_root else {}
expected["test_fine.py::test_it"] = "passed"
status = "passed" if is_root else "failed"
changes = ["closed/test_it.py"]
# --- closed/test_it.py
def test_it():
    pass
# --- test_closed.py
def test_it():
    pass
# --- test_fine.py
def test_it():
    pass
# --- setup
import os

os.chmod("closed", 0)
os.chmod("test_closed.py", 0)
