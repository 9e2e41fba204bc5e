"""A test ends the session by pytest's own switch: what follows does not run."""

status = "stopped"
# --- test_it.py
def test_before():  # passed
    pass


def test_guilty(request):  # passed
    request.session.shouldstop = "enough"


def test_after():  # not_run
    pass
