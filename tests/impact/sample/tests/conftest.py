"""Fixtures of the sample."""

import pytest
from shop.orders import Order
from shop.prices import Price


@pytest.fixture(scope="session")
def bread():
    price = Price.parse("1.50")
    price.kind = "food"
    return price


@pytest.fixture
def order(bread):
    order = Order()
    order.add(bread)
    yield order
    assert order.items is not None
