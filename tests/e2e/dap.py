"""A minimal debugger's client: the Debug Adapter Protocol over a socket."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

from world import DEADLINE

Json = dict[str, Any]


class Debugger:
    """One client of a debug adapter."""

    def __init__(self, host: str, port: int) -> None:
        self._stream = socket.create_connection((host, port), timeout=DEADLINE)
        self._reader = self._stream.makefile("rb")
        self._number = 0
        self._events: list[Json] = []
        self._answers: dict[int, Json] = {}

    def close(self) -> None:
        """Closes the connection."""
        self._reader.close()
        self._stream.close()

    def send(self, command: str, **arguments: Any) -> int:
        """Sends a request; returns its number."""
        self._number += 1
        message = {"seq": self._number, "type": "request", "command": command}
        data = json.dumps({**message, "arguments": arguments}).encode()
        self._stream.sendall(b"Content-Length: %d\r\n\r\n%s" % (len(data), data))
        return self._number

    def answer(self, number: int) -> Json:
        """Waits for the answer to a request."""
        while number not in self._answers:
            self._receive()
        body: Json = self._answers.pop(number).get("body") or {}
        return body

    def ask(self, command: str, **arguments: Any) -> Json:
        """Sends a request and returns its answer."""
        return self.answer(self.send(command, **arguments))

    def event(self, name: str) -> Json:
        """Waits for an event."""
        while True:
            for event in self._events:
                if event["event"] == name:
                    self._events.remove(event)
                    body: Json = event.get("body") or {}
                    return body
            self._receive()

    def _receive(self) -> None:
        length = 0
        while line := self._reader.readline().strip():
            length = int(line.partition(b":")[2])
        assert length, "the adapter has closed the connection"
        message = json.loads(self._reader.read(length))
        if message["type"] == "event":
            self._events.append(message)
        elif message["type"] == "response":
            assert message["success"], message
            self._answers[message["request_seq"]] = message

    def attach(self, breakpoints: dict[Path, list[int]], **more: Any) -> None:
        """Attaches with breakpoints at these lines, from 1, and lets the program continue."""
        self.ask("initialize", adapterID="debugpy", pathFormat="path", clientID="test")
        attached = self.send("attach", **{"justMyCode": True, **more})
        self.event("initialized")
        for path, lines in breakpoints.items():
            wanted = [{"line": line} for line in lines]
            self.ask("setBreakpoints", source={"path": str(path)}, breakpoints=wanted)
        self.ask("configurationDone")
        self.answer(attached)

    def stopped(self) -> tuple[int, list[Json]]:
        """Waits until the program stops; returns the thread and its stack, innermost first."""
        thread: int = self.event("stopped")["threadId"]
        return thread, self.ask("stackTrace", threadId=thread)["stackFrames"]

    def local(self, frame: Json, name: str) -> str:
        """A local variable as the debugger shows it."""
        scopes = self.ask("scopes", frameId=frame["id"])["scopes"]
        (scope,) = [scope for scope in scopes if scope["name"] == "Locals"]
        variables = self.ask("variables", variablesReference=scope["variablesReference"])
        found = {variable["name"]: variable["value"] for variable in variables["variables"]}
        value: str = found[name]
        return value
