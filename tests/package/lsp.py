"""A small language client: opens a folder and receives the server's messages."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from queue import Empty, Queue
from typing import Any, cast

from conftest import DEADLINE, World

Json = dict[str, Any]


class Server:
    """`python -m pytest_lens lsp` over a world's project."""

    def __init__(self, world: World) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "pytest_lens", "lsp"],
            cwd=world.root,
            env=world.env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._heard: Queue[Json] = Queue()
        self._next = 0
        threading.Thread(target=self._read, daemon=True).start()
        self.request(
            "initialize",
            {
                "processId": None,
                "capabilities": {},
                "workspaceFolders": [{"uri": world.root.as_uri(), "name": "project"}],
                "initializationOptions": {"pytestLens": True},
            },
        )
        self.notify("initialized", {})

    def _read(self) -> None:
        stream = self._process.stdout
        assert stream is not None
        while header := stream.readline():
            length = int(header.split(b":")[1])
            stream.readline()
            self._heard.put(json.loads(stream.read(length)))

    def _send(self, message: Json) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        stream = self._process.stdin
        assert stream is not None
        stream.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        stream.flush()

    def notify(self, method: str, params: Json) -> None:
        """Send a notification."""
        self._send({"method": method, "params": params})

    def request(self, method: str, params: Json | None = None) -> Any:
        """Send a request, and wait for its answer; what comes before it is passed over."""
        self._next += 1
        self._send({"id": self._next, "method": method, **({"params": params} if params else {})})
        answer = self._until(
            lambda message: message.get("id") == self._next and "method" not in message
        )
        assert "error" not in answer, answer
        return answer.get("result")

    def told(self, method: str) -> Json:
        """Wait for a notification."""
        return cast(Json, self._until(lambda message: message.get("method") == method)["params"])

    def _until(self, wanted: Any) -> Json:
        end = time.monotonic() + DEADLINE
        while True:
            try:
                message = self._heard.get(timeout=max(0.0, end - time.monotonic()))
            except Empty:
                raise AssertionError("the server did not say it in time") from None
            if "id" in message and "method" in message:  # it wants something of its client
                self._send({"id": message["id"], "result": None})
            if wanted(message):
                return message

    def end(self) -> int:
        """Shut the server down; its exit status."""
        self.request("shutdown")
        self.notify("exit", {})
        return self._process.wait(DEADLINE)
