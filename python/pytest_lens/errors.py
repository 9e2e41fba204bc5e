"""What goes wrong with an engine, as exceptions."""

from __future__ import annotations

from typing import Any

from .messages import ErrorCode


class LensError(Exception):
    """The engine refused a request, or could not carry it out.

    ``code`` is the kind (``"invalid_request"``, ``"python_not_found"``, ...), ``message`` one
    sentence that says what is wrong and what to do.
    """

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code: ErrorCode = code
        self.message = message


def checked(response: dict[str, Any]) -> Any:
    """The response, unless it is an error: that is raised."""
    if response["type"] == "error":
        raise LensError(response["code"], response["message"])
    return response
