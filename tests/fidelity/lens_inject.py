"""Makes tests go wrong on purpose, on both sides of `cargo xtask fidelity --inject`.

Which tests, and how, follows from a hash of the node id alone: some 2 in 100 fail, break in setup,
break in teardown, are skipped, or fail, pass and strictly pass where an xfail mark expects a
failure. A runner that reports what it likes is caught by the suites that otherwise only pass.
Loaded with `-p lens_inject`.
"""

from __future__ import annotations

import hashlib
import re

import pytest

HARMS = (
    "failure",
    "setup error",
    "teardown error",
    "skip",
    "imperative xfail",
    "marked xfail",
    "marked xpass",
    "strict xpass",
)
SHARE = 2
"""How many tests of a hundred each harm meets."""


def harm_of(nodeid: str) -> str | None:
    """The harm for the test of that id, or None."""
    # Some suites have the time of day or an address in the ids of cases: the harm must not move.
    name, bracket, case = nodeid.partition("[")
    steady = name + bracket + re.sub(r"0x[0-9a-f]+|[0-9]+", "0", case)
    digest = hashlib.sha256(steady.encode("utf-8", "surrogatepass")).digest()
    bucket = int.from_bytes(digest[:4], "big") % 100 // SHARE
    return HARMS[bucket] if bucket < len(HARMS) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        harm = harm_of(item.nodeid)
        if harm in ("marked xfail", "marked xpass", "strict xpass"):
            mark = pytest.mark.xfail(reason="injected", strict=harm == "strict xpass")
            item.add_marker(mark)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    harm = harm_of(item.nodeid)
    if harm == "setup error":
        raise RuntimeError("injected into setup")
    if harm == "skip":
        pytest.skip("injected")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> None:
    harm = harm_of(item.nodeid)
    if harm in ("failure", "marked xfail"):
        raise AssertionError("injected")
    if harm == "imperative xfail":
        pytest.xfail("injected")


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    if harm_of(item.nodeid) == "teardown error":
        raise RuntimeError("injected into teardown")
