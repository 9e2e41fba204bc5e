"""Every warning is an error, also those of what nobody can raise any more."""
# --- pytest.ini
[pytest]
filterwarnings = error
# --- test_it.py
import gc
import warnings


class Raises:
    def __del__(self):
        raise RuntimeError("too late")


def test_before():  # passed
    pass


def test_warns():  # failed
    warnings.warn("watch out", stacklevel=1)


def test_in_del():  # failed
    Raises()
    gc.collect()


def test_never_awaited():  # failed
    async def nothing():
        pass

    nothing()
    gc.collect()


def test_after():  # passed
    pass
