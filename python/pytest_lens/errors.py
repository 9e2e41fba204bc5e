"""The errors of an engine, as exceptions."""

from __future__ import annotations

from typing import Any

from .messages import ErrorCode


class LensError(Exception):
    """The engine refused a request, or could not carry it out.

    ``code`` is the kind (``"invalid_request"``, ``"python_not_found"``, ...), ``message`` one
    sentence that names the fault and the way out.
    """

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code: ErrorCode = code
        self.message = message


def checked(response: dict[str, Any]) -> Any:
    """Return the response; raise it if it is an error."""
    if response["type"] == "error":
        raise LensError(response["code"], response["message"])
    return response
