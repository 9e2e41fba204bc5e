"""A test forbids all imports, and empties the path."""
# --- test_it.py
import builtins
import sys


class Forbids:
    def find_spec(self, name, path=None, target=None):
        raise ImportError(f"{name} is forbidden")


def forbids(name, *arguments, **options):
    raise ImportError(f"{name} is forbidden")


def test_before():  # passed
    pass


def test_finder():  # passed
    sys.meta_path.insert(0, Forbids())


def test_path():  # passed
    sys.path.clear()
    sys.path_importer_cache.clear()


def test_function():  # passed
    builtins.__import__ = forbids


def test_after():  # passed
    pass
