"""The kitchen: a unittest class, and a test that passes and fails by turns."""

import os
import tempfile
import time
import unittest
from pathlib import Path

import pytest

from cafe.orders import Order


class KitchenTest(unittest.TestCase):
    def setUp(self):
        self.order = Order(table=3)

    def test_cooks_what_is_ordered(self):
        self.order.add("cake")
        self.assertEqual(self.order.items, ["cake"])

    def test_refuses_what_is_not_on_the_menu(self):
        with self.assertRaises(KeyError):
            self.order.add("soup")


@pytest.mark.slow
def test_oven_heats_up():
    time.sleep(0.05)


def test_waiter_remembers_the_order(order):
    # A stand-in for a race: every second run fails, whatever the code.
    turns = Path(os.environ.get("CAFE_STATE", tempfile.gettempdir()), "cafe-turns")
    turn = int(turns.read_text()) if turns.exists() else 0
    turns.write_text(str(turn + 1))
    assert turn % 2 == 0, "the waiter forgot the order"
