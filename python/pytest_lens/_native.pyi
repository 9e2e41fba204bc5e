"""The extension module, for type checkers."""

from typing import Any

__version__: str
PROTOCOL_VERSION: int
REQUESTS: list[str]

def fingerprint(root: str) -> str | None: ...
def record(
    root: str, code: str | None, attempts: list[tuple[str, str, float, int]]
) -> str | None: ...

class Engine:
    def __init__(self) -> None: ...
    def session(self) -> Session: ...
    def close(self) -> None: ...

class Session:
    def call(self, request: dict[str, Any]) -> dict[str, Any]: ...
