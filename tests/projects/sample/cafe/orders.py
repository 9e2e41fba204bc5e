"""Orders: what a table wants, and what it owes."""

from __future__ import annotations

from cafe.prices import price


class Order:
    """The items of one table."""

    def __init__(self, table: int) -> None:
        self.table = table
        self.items: list[str] = []

    def add(self, item: str, count: int = 1) -> None:
        """Adds an item some times over."""
        if count < 1:
            raise ValueError("an order takes at least one of an item")
        price(item)
        self.items.extend([item] * count)

    def total(self) -> int:
        """What the table owes, in cents."""
        return sum(price(item) for item in self.items)
