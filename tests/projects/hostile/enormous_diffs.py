"""Failures whose explanation would take for ever."""
# --- test_it.py
def test_lists():  # failed
    assert list(range(200_000)) == list(range(1, 200_001))


def test_text():  # failed
    assert "a\n" * 100_000 == "b\n" * 100_000


def test_deep():  # failed
    deep = []
    for _ in range(300):
        deep = [deep]
    assert deep == [deep]


def test_itself():  # failed
    own = []
    own.append(own)
    assert own == [1, own]


def test_after():  # passed
    pass
