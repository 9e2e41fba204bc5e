"""What things cost, in cents."""

from __future__ import annotations

MENU = {"espresso": 250, "cappuccino": 380, "cake": 420, "water": 200}


def price(item: str) -> int:
    """The price of one item; an unknown one is an error that names it."""
    if item not in MENU:
        raise KeyError(f"{item} is not on the menu")
    return MENU[item]


def with_discount(cents: int, percent: int) -> int:
    """The price less a discount, rounded to whole cents."""
    return cents - cents * percent // 10


def receipt(items: list[str]) -> list[str]:
    """One line an item, and the total."""
    lines = [f"{item:<12}{price(item) / 100:6.2f}" for item in items]
    total = sum(price(item) for item in items)
    return lines + [f"{'total':<12}{total / 100:6.2f}"]
