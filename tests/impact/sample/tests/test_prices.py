"""Tests of prices."""

import pytest
from shop import prices
from shop.prices import Price


@pytest.mark.parametrize(("text", "cents"), [("1", 100), ("2.50", 250), ("0.05", 5)])
def test_parse(text, cents):
    assert Price.parse(text).cents == cents


def test_other_separator():
    assert Price.parse("1,20", ",").cents == 120


def test_gross():
    assert Price(100).gross == 119


def test_gross_of_food(bread):
    assert bread.gross == 160


def test_rate():
    assert prices.rate("book") == 7


def test_rate_again():
    assert prices.rate("book") == 7
    assert prices.rate("none") == 19


def test_sum():
    assert (Price(1) + Price(2)).cents == 3


def test_currencies():
    other = Price(1)
    other.currency = "USD"
    with pytest.raises(ValueError, match="different"):
        Price(1) + other


def test_catalog():
    assert sorted(prices.catalog("pen")) == ["pen1", "pen2", "pen3"]


def test_catalog_again():
    assert prices.catalog("pen")["pen2"].cents == 200


def test_constants():
    assert (Price.digits, prices.DEFAULT) == (2, "other")
