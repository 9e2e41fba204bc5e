"""A test file never ends its import: the limit for a collection holds."""

settings = {"collectTimeoutMs": 1500}
status = "timeout"
names = ["test_b.py"]
# --- test_a.py
def test_it():
    pass
# --- test_b.py
import threading

threading.Event().wait()
