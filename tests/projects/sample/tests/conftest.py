"""Fixtures that several files use."""

import pytest

from cafe.orders import Order


@pytest.fixture
def order():
    """An order of two espressos and a cake."""
    order = Order(table=7)
    order.add("espresso", 2)
    order.add("cake")
    return order
