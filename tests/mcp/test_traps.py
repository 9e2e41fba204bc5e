"""No trap makes a tool say "passed"; without it, the same project passes."""

from __future__ import annotations

import pytest
import traps
from traps import TRAPS, Stage, Trap


def test_there_are_at_least_twenty_traps() -> None:
    assert len({trap.name for trap in TRAPS}) == len(TRAPS) >= 20
    assert not any("PASSED" in trap.allowed for trap in TRAPS)


@pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: trap.name)
async def test_trap(stage: Stage, trap: Trap) -> None:
    assert await traps.play(stage, trap, 0) == ""


async def test_without_a_trap_the_project_passes(stage: Stage) -> None:
    assert await traps.control(stage) == ""
