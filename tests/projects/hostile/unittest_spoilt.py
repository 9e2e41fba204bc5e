"""Classes of unittest whose set-ups and teardowns exit, crash and raise."""

prefix = "test_it.py::Test"
expected = {
    f"{prefix}SetUp::test_it": "failed",
    f"{prefix}Class::test_it": "error",
    f"{prefix}TearDown::test_it": "failed",
    f"{prefix}Crash::test_it": "crashed",
    f"{prefix}Subtests::test_it": "failed",
    f"{prefix}Fine::test_it": "passed",
}
# --- test_it.py
import os
import sys
import unittest


class TestSetUp(unittest.TestCase):
    def setUp(self):
        sys.exit(1)

    def test_it(self):
        pass


class TestClass(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        raise RuntimeError("no class")

    def test_it(self):
        pass


class TestTearDown(unittest.TestCase):
    def tearDown(self):
        raise RuntimeError("no end")

    def test_it(self):
        pass


class TestCrash(unittest.TestCase):
    def tearDown(self):
        os.abort()

    def test_it(self):
        pass


class TestSubtests(unittest.TestCase):
    def test_it(self):
        for number in range(3):
            with self.subTest(number=number):
                self.assertEqual(number, 1)


class TestFine(unittest.TestCase):
    def test_it(self):
        pass
