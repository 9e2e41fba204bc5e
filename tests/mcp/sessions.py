"""A thousand scripted sessions over the traps, one in five without a trap, in random order.

    PYTEST_LENS_BIN=target/release/pytest-lens python tests/mcp/sessions.py [COUNT] [SEED]

Prints the complaints and the figures; exits with 1 if a session got a false verdict.
"""

from __future__ import annotations

import asyncio
import collections
import random
import sys
import tempfile
import time
from pathlib import Path

import traps
from agent import Project, World, connected, end_daemon
from traps import TRAPS, Stage


async def sessions(count: int, seed: int) -> list[str]:
    """Plays sessions in one project; returns the complaints."""
    order = random.Random(seed)
    complaints: list[str] = []
    played: collections.Counter[str] = collections.Counter()
    folder = Path(tempfile.mkdtemp(prefix="lens-mcp-"))
    home = folder / "home"
    home.mkdir()
    world = World(home)
    with world.runtime:
        async with connected(world, Project(folder / "project").root) as agent:
            stage = Stage(world, Project(folder / "project"), agent)
            for number in range(count):
                if order.random() < 0.2:
                    complaint = await traps.control(stage)
                    played["control"] += 1
                else:
                    trap = order.choice(TRAPS)
                    complaint = await traps.play(stage, trap, seed * 1_000_000 + number)
                    played[trap.name] += 1
                if complaint:
                    complaints.append(complaint)
                    print(complaint, flush=True)
        end_daemon(world)
    for name, times in sorted(played.items()):
        print(f"{times:5} {name}")
    return complaints


def main() -> int:
    """Plays them; returns the exit status."""
    count, seed = (int(word) for word in (*sys.argv[1:], "1000", "1")[:2])
    if len(sys.argv) == 2:
        seed = 1
    began = time.monotonic()
    complaints = asyncio.run(sessions(count, seed))
    false = [complaint for complaint in complaints if "PASSED" in complaint]
    seconds = time.monotonic() - began
    print(
        f"{count} sessions, seed {seed}: {len(false)} false `PASSED`, "
        f"{len(complaints)} other than expected, {seconds:.0f} s"
    )
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
