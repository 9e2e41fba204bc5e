"""A test file never ends its import: it is an error when the limit for a collection is reached; the others run."""

settings = {"collectTimeoutMs": 3000}
status = "failed"
names = ["test_b.py", "collectTimeoutMs"]
# --- test_a.py
def test_it():  # passed
    pass
# --- test_b.py
import threading

threading.Event().wait()
# --- test_c.py
def test_it():  # passed
    pass
