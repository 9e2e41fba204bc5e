"""Orders of a shop, and their report."""

import os
from pathlib import Path

from shop.prices import Price, catalog

LIMIT = 3
DATA = Path(__file__).resolve().parents[1] / "tests" / "data"


def checked(function):
    def call(self, *arguments):
        if self.closed:
            raise RuntimeError("the order is closed")
        return function(self, *arguments)

    return call


class Order:
    """A list of prices."""

    discount = 10
    name = "order"

    def __init__(self):
        self.items = []
        self.closed = False

    @checked
    def add(self, item, count=1):
        for _ in range(count):
            self.items.append(item)
        return len(self.items)

    def total(self):
        total = Price(0)
        for item in self.items:
            total = total + item
        if len(self.items) > LIMIT:
            total.cents -= total.cents * self.discount // 100
        return total.cents

    def close(self):
        self.closed = True
        return self.report()

    def report(self):
        lines = (DATA / "report.txt").read_text().splitlines()
        shown = [lines[0].format(name=self.name), lines[1].format(total=self.total())]
        if os.environ.get("SHOP_SHORT"):
            shown = shown[:1]
        return "\n".join(shown)


def order_of(name, limit=2):
    order = Order()
    for key in sorted(catalog(name))[:limit]:
        order.add(catalog(name)[key])
    return order
