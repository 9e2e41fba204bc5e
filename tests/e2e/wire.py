"""The client of `pytest-lsp`, which also keeps what the server sent as it came over the wire.

The client's own types would hide fields that are wrong, null or unknown.
"""

from __future__ import annotations

import asyncio
import copy
from typing import Any

from lsprotocol import types
from pygls.protocol import default_converter
from pytest_lsp import LanguageClient
from pytest_lsp.client import register_lsp_features
from pytest_lsp.protocol import LanguageClientProtocol

Json = dict[str, Any]

#: The custom notifications that the server sends.
NOTIFICATIONS = [
    "inventory",
    "runStarted",
    "testStarted",
    "testOutcome",
    "output",
    "runFinished",
    "flakinessHint",
]


class WireProtocol(LanguageClientProtocol):
    """The client's protocol, which also shows each message as it came."""

    _server: WireClient

    def structure_message(self, data: Json) -> Any:
        """Called for each object of a message; only the message itself names its version."""
        if "jsonrpc" in data and "method" in data:
            self._server.arrived.append(copy.deepcopy(data))
            asyncio.get_running_loop().call_soon(self._server.wake)
        elif "jsonrpc" in data:
            self._server.answered = copy.deepcopy(data)
        return super().structure_message(data)


class WireClient(LanguageClient):
    """The client, with everything that the server sent of itself, and its last answer."""

    def __init__(self, configuration: Json | None = None) -> None:
        super().__init__(
            protocol_cls=WireProtocol,
            converter_factory=default_converter,
            configuration=configuration,
        )
        self.arrived: list[Json] = []
        self.answered: Json = {}
        self._news = asyncio.Event()
        register_lsp_features(self)
        self.feature(types.CLIENT_REGISTER_CAPABILITY)(lambda params: None)
        self.feature(types.WORKSPACE_CODE_LENS_REFRESH)(lambda params: None)
        self.feature(types.WORKSPACE_INLAY_HINT_REFRESH)(lambda params: None)
        for name in NOTIFICATIONS:
            self.feature(f"pytestLens/{name}")(lambda params: None)

    def wake(self) -> None:
        """Something arrived, and was taken in."""
        self._news.set()
        self._news = asyncio.Event()

    async def news(self) -> None:
        """Waits for the next message."""
        await self._news.wait()


def plain(value: Any) -> Any:
    """An answer as JSON: the client makes named tuples of objects that it has no type for."""
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {key: plain(inner) for key, inner in value._asdict().items()}
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    return value


def all_capabilities(*encodings: types.PositionEncodingKind) -> types.ClientCapabilities:
    """A client that can do all that matters here; by default it counts as most editors do."""
    offered = list(encodings) or [types.PositionEncodingKind.Utf16]
    return types.ClientCapabilities(
        general=types.GeneralClientCapabilities(position_encodings=offered),
        window=types.WindowClientCapabilities(work_done_progress=True),
        text_document=types.TextDocumentClientCapabilities(
            publish_diagnostics=types.PublishDiagnosticsClientCapabilities(
                related_information=True
            ),
            code_action=types.CodeActionClientCapabilities(
                code_action_literal_support=types.ClientCodeActionLiteralOptions(
                    code_action_kind=types.ClientCodeActionKindOptions(
                        value_set=[types.CodeActionKind.Source]
                    )
                )
            ),
        ),
        workspace=types.WorkspaceClientCapabilities(
            workspace_folders=True,
            code_lens=types.CodeLensWorkspaceClientCapabilities(refresh_support=True),
            inlay_hint=types.InlayHintWorkspaceClientCapabilities(refresh_support=True),
        ),
    )


def bare_capabilities() -> types.ClientCapabilities:
    """A client that says next to nothing of itself."""
    return types.ClientCapabilities(text_document=types.TextDocumentClientCapabilities())
