"""Prices, with a cache that lives as long as the process."""

import functools

TAX = {"food": 7, "book": 7, "other": 19}
DEFAULT = "other"
_catalogs = {}


class Price:
    """An amount in cents."""

    currency = "EUR"
    digits = 2

    def __init__(self, cents, kind=DEFAULT):
        self.cents = cents
        self.kind = kind

    @property
    def gross(self):
        return self.cents + self.cents * rate(self.kind) // 100

    @staticmethod
    def parse(text, separator="."):
        whole, _, rest = text.partition(separator)
        if not rest:
            rest = "00"
        return Price(int(whole) * 100 + int(rest))

    def __add__(self, other):
        if self.currency != other.currency:
            raise ValueError("different currencies")
        return Price(self.cents + other.cents, self.kind)


@functools.lru_cache(maxsize=8)
def rate(kind):
    if kind in TAX:
        return TAX[kind]
    return TAX[DEFAULT]


def catalog(name):
    if name not in _catalogs:
        _catalogs[name] = load(name)
    return _catalogs[name]


def load(name):
    found = {}
    for number in range(1, 4):
        found[f"{name}{number}"] = Price(number * 100, "book")
    return found
