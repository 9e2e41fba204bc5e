"""A conftest never ends: the limit for a collection holds."""

settings = {"collectTimeoutMs": 1500}
status = "timeout"
names = ["conftest.py"]
# --- conftest.py
import threading

threading.Event().wait()
# --- test_it.py
def test_it():
    pass
