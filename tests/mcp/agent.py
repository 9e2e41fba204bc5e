"""An agent as the tests see it: the official client of MCP, connected to the tested server."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

sys.path.append(str(Path(__file__).resolve().parents[1] / "e2e"))

from world import Project, World, binary

__all__ = ["Agent", "Answer", "Project", "World", "binary", "connected", "end_daemon"]

Json = dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """The text of one tool's answer."""

    text: str
    is_error: bool

    @property
    def verdict(self) -> str:
        """The words before the first colon."""
        return self.text.partition(":")[0]

    @property
    def first(self) -> str:
        """The first line."""
        return self.text.splitlines()[0]


@dataclass
class Agent:
    """One client with its server."""

    client: Client

    async def call(self, tool: str, **arguments: Any) -> Answer:
        """Calls a tool."""
        result = await self.client.call_tool(tool, arguments)
        assert len(result.content) == 1, result
        (part,) = result.content
        assert part.type == "text", part
        return Answer(part.text, bool(result.is_error))

    async def run(self, **arguments: Any) -> Answer:
        """Calls `run_tests`."""
        answer = await self.call("run_tests", **arguments)
        assert not answer.is_error, answer.text
        return answer

    async def refused(self, tool: str, **arguments: Any) -> str:
        """The one sentence with which a tool refuses its arguments."""
        answer = await self.call(tool, **arguments)
        assert answer.is_error, answer.text
        assert answer.text.count("\n") == 0, answer.text
        return answer.text


def end_daemon(world: World) -> None:
    """Ends the daemon and waits until all its processes have ended."""
    for pid in world.processes(" daemon "):
        os.kill(pid, signal.SIGTERM)
    assert not world.wait_until_gone()


@contextlib.asynccontextmanager
async def connected(
    world: World, root: Path, *options: str, env: dict[str, str] | None = None
) -> AsyncIterator[Agent]:
    """An agent in a project. Its server starts the daemon, if the world has none."""
    server = StdioServerParameters(
        command=str(binary()), args=["mcp", *options], env=world.env(**(env or {})), cwd=root
    )
    async with Client(stdio_client(server)) as client:
        yield Agent(client)
