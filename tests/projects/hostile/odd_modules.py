"""Modules and classes that are something else than they seem; pytest itself can't collect one."""

status = "failed"
expected = {"test_classes.py::TestFine::test_it": "passed"}
names = ["test_anything.py"]
# --- test_classes.py
class Meta(type):
    def __getattribute__(cls, name):
        if name.startswith("test_odd"):
            raise RuntimeError(name)
        return super().__getattribute__(name)


class TestFine(metaclass=Meta):
    def test_it(self):
        pass
# --- test_replaced.py
import sys
import types


def test_it():  # passed
    assert True


copy = types.ModuleType(__name__)
copy.__dict__.update(globals())
sys.modules[__name__] = copy
# --- test_getattr.py
def __getattr__(name):
    raise AttributeError(f"no {name}")


def test_it():  # passed
    pass
# --- test_anything.py
class Anything:
    def __getattr__(self, name):
        return self

    def __call__(self, *arguments, **options):
        return self


anything = test_anything_is_no_function = Anything()


def test_it():
    pass
