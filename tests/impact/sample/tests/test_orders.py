"""Tests of orders."""

import pytest
from shop import orders
from shop.prices import Price


def test_add(order, bread):
    assert order.add(bread) == 2


def test_add_many(order):
    assert order.add(Price(5), 3) == 4


def test_total(order):
    assert order.total() == 150


def test_discount(order):
    order.add(Price(50), 3)
    assert order.total() == 270


def test_closed(order, bread):
    order.close()
    with pytest.raises(RuntimeError, match="closed"):
        order.add(bread)


def test_report(order):
    assert order.close() == "Report of an order:\nTotal: 150"


def test_short(order, monkeypatch):
    monkeypatch.setenv("SHOP_SHORT", "1")
    assert order.report() == "Report of an order:"


def test_order_of():
    assert orders.order_of("pen").total() == 300


def test_order_of_more():
    assert orders.order_of("pen", 3).total() == 600


def test_limit():
    assert orders.LIMIT == 3
