"""A test empties the session: its items, its configuration, its plugins."""
# --- test_it.py
def test_before():  # passed
    pass


def test_items(request):  # passed
    request.session.items.clear()
    request.node.parent.obj = None


def test_stash(request):  # passed
    request.config._inicache.clear()
    request.config.option.verbose = 5
    request.config.args = None


def test_after():  # passed
    pass
