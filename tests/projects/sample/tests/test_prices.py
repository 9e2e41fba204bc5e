"""Prices: a parametrized test, and a bug to find."""

import pytest

from cafe.prices import price, receipt, with_discount


@pytest.mark.parametrize(
    ("item", "cents"),
    [("espresso", 250), ("cappuccino", 380), ("cake", 420), ("water", 200)],
)
def test_price(item, cents):
    assert price(item) == cents


def test_unknown_item():
    with pytest.raises(KeyError, match="not on the menu"):
        price("unicorn")


def test_discount():
    before = price("cake")
    assert with_discount(before, percent=5) == 399


def test_receipt():
    lines = receipt(["espresso", "cake"])
    print("\n".join(lines))
    assert lines[-1].endswith("6.70")
