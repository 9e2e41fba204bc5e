"""An editor in the terms of tests: documents, lenses, commands, runs, and deadlines."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pytest_lsp import ClientServerConfig
from wire import Json, WireClient, all_capabilities, plain
from world import DEADLINE, Project, World, binary

T = TypeVar("T")


@dataclass
class Run:
    """A run that is over."""

    run_id: str
    total: int
    answer: Json
    events: list[Json]

    @property
    def finished(self) -> Json:
        """The parameters of its end."""
        (end,) = [
            event["params"] for event in self.events if event["method"] == "pytestLens/runFinished"
        ]
        params: Json = end
        return params

    @property
    def attempts(self) -> list[Json]:
        """Every outcome that the server sent."""
        told = [
            event["params"] for event in self.events if event["method"] == "pytestLens/testOutcome"
        ]
        return [outcome for params in told for outcome in params["outcomes"]]

    @property
    def results(self) -> dict[str, Json]:
        """The final outcome of each test; each has exactly one."""
        final = [outcome for outcome in self.attempts if not outcome.get("willRerun")]
        results = {outcome["id"]: outcome for outcome in final}
        assert len(results) == len(final), f"a test has several final outcomes: {final}"
        return results

    @property
    def outcomes(self) -> dict[str, str]:
        """The final outcome of each test, by the part of its id that names it in its file."""
        return {id.partition("::")[2]: result["outcome"] for id, result in self.results.items()}


@dataclass
class Document:
    """An open document."""

    editor: Editor
    path: str
    uri: str
    text: str
    version: int = 0

    @property
    def identifier(self) -> Json:
        """The document as an argument of commands."""
        return {"uri": self.uri}

    def line_of(self, part: str) -> int:
        """The 0-based line of the live text that contains this."""
        found = [number for number, line in enumerate(self.text.splitlines()) if part in line]
        assert len(found) == 1, f"{part!r} is on lines {found}"
        return found[0]

    def cursor(self, part: str) -> Json:
        """A cursor in the line that contains this, as an argument of commands."""
        return {
            "textDocument": self.identifier,
            "position": {"line": self.line_of(part), "character": 4},
        }

    def replace(self, old: str, new: str) -> None:
        """Replaces the one occurrence of a text by an incremental change."""
        assert self.text.count(old) == 1, f"{old!r} occurs {self.text.count(old)} times"
        at = self.text.index(old)
        span = types.Range(self.position(at), self.position(at + len(old)))
        self.text = self.text.replace(old, new)
        self.version += 1
        self.editor.client.text_document_did_change(
            types.DidChangeTextDocumentParams(
                types.VersionedTextDocumentIdentifier(version=self.version, uri=self.uri),
                [types.TextDocumentContentChangePartial(range=span, text=new)],
            )
        )

    def position(self, offset: int) -> types.Position:
        """The position of an offset in the text, in the negotiated encoding."""
        before = self.text[:offset]
        return types.Position(before.count("\n"), self.editor.units(before.rpartition("\n")[2]))

    def save(self) -> None:
        """Writes the live text to disk, and sends `didSave`."""
        (self.editor.project.root / self.path).write_text(self.text, encoding="utf-8")
        identifier = types.TextDocumentIdentifier(self.uri)
        self.editor.client.text_document_did_save(types.DidSaveTextDocumentParams(identifier))

    def close(self) -> None:
        """Closes it."""
        identifier = types.TextDocumentIdentifier(self.uri)
        self.editor.client.text_document_did_close(types.DidCloseTextDocumentParams(identifier))

    async def lenses(self) -> list[types.CodeLens]:
        """Its lenses."""
        identifier = types.TextDocumentIdentifier(self.uri)
        asked = self.editor.client.text_document_code_lens_async(types.CodeLensParams(identifier))
        return list(await self.editor.in_time(asked, "code lenses") or [])

    async def titles(self) -> dict[int, list[str]]:
        """The titles of its lenses by line."""
        titles: dict[int, list[str]] = {}
        for lens in await self.lenses():
            assert lens.command is not None
            titles.setdefault(lens.range.start.line, []).append(lens.command.title)
        return titles

    def diagnostics(self) -> list[types.Diagnostic]:
        """The diagnostics that were published for it last."""
        return list(self.editor.client.diagnostics.get(self.uri, []))


class Editor:
    """An editor with one or more folders open."""

    #: Editors that were not stopped yet.
    running: ClassVar[list[Editor]] = []

    def __init__(self, client: WireClient, world: World, *projects: Project) -> None:
        self.client = client
        self.world = world
        self.projects = projects
        self.project = projects[0]
        self.result: types.InitializeResult | None = None
        self.running.append(self)

    @classmethod
    async def start(
        cls,
        world: World,
        *projects: Project,
        settings: Json | None = None,
        options: Json | None = None,
        capabilities: types.ClientCapabilities | None = None,
        env: dict[str, str] | None = None,
        configuration: Json | None = None,
        arguments: tuple[str, ...] = (),
    ) -> Editor:
        """Starts a server, and opens the folders in it."""
        config = ClientServerConfig(
            server_command=[str(binary()), "lsp", "--stdio", *arguments],
            client_factory=lambda: WireClient(configuration),
            server_env=world.env(**(env or {})),
        )
        client = await config.start()
        assert isinstance(client, WireClient)
        editor = cls(client, world, *projects)
        sent = {"pytestLens": True, "settings": settings or {}} if options is None else options
        folders = [
            types.WorkspaceFolder(uri=project.uri(), name=project.root.name) for project in projects
        ]
        params = types.InitializeParams(
            capabilities=capabilities or all_capabilities(),
            workspace_folders=folders,
            root_uri=folders[0].uri,
            initialization_options=sent,
        )
        editor.result = await editor.in_time(client.initialize_session(params), "initialize")
        return editor

    async def stop(self) -> None:
        """Shuts the server down as an editor does."""
        self.running.remove(self)
        await self.in_time(self.client.shutdown_session(), "shutdown")
        await self.disconnect()
        assert self.client.error is None, self.client.error

    async def abandon(self) -> None:
        """Ends the server of a test that failed."""
        if self.client._server is not None and self.client._server.returncode is None:
            self.client._server.kill()
        await self.disconnect()

    async def disconnect(self) -> None:
        """Ends the client's side of a server that has ended."""
        if self in self.running:
            self.running.remove(self)
        ending: Any = self.client.stop
        await self.in_time(ending(), "the end of the client")

    @property
    def capabilities(self) -> types.ServerCapabilities:
        """The server's capabilities."""
        assert self.result is not None
        return self.result.capabilities

    def units(self, text: str) -> int:
        """The length of a text in the negotiated encoding."""
        if self.capabilities.position_encoding == types.PositionEncodingKind.Utf8:
            return len(text.encode())
        return len(text.encode("utf-16-le")) // 2

    async def in_time(self, what: Any, name: str) -> Any:
        """Awaits something, with the deadline."""
        try:
            return await asyncio.wait_for(what, DEADLINE)
        except asyncio.TimeoutError:
            raise AssertionError(f"{name} did not come within {DEADLINE:.0f} s") from None

    async def until(self, check: Callable[[], T | None], name: str) -> T:
        """Waits until a check, repeated after each message of the server, returns something."""
        loop = asyncio.get_running_loop()
        end = loop.time() + DEADLINE
        while not (found := check()):
            try:
                await asyncio.wait_for(self.client.news(), end - loop.time())
            except asyncio.TimeoutError:
                last = [message["method"] for message in self.client.arrived[-10:]]
                raise AssertionError(
                    f"waited {DEADLINE:.0f} s for {name}; the last messages: {last}"
                ) from None
        return found

    async def asked(self, method: str, since: int) -> None:
        """Waits for a message of this method."""
        await self.until(lambda: self.sent(method, since=since), method)

    def sent(self, *methods: str, since: int = 0) -> list[Json]:
        """The messages of these methods that the server sent, all if none is named."""
        arrived = self.client.arrived[since:]
        return [message for message in arrived if not methods or message["method"] in methods]

    def mark(self) -> int:
        """A point in the stream of messages, for `since`."""
        return len(self.client.arrived)

    def shown(self, since: int = 0) -> list[str]:
        """The sentences that were shown to the user."""
        return [
            message["params"]["message"] for message in self.sent("window/showMessage", since=since)
        ]

    def open(self, path: str, text: str | None = None, project: Project | None = None) -> Document:
        """Opens a document: the text on disk, or another one."""
        project = project or self.project
        text = project.read(path) if text is None else text
        document = Document(self, path, project.uri(path), text)
        item = types.TextDocumentItem(uri=document.uri, language_id="python", version=0, text=text)
        self.client.text_document_did_open(types.DidOpenTextDocumentParams(item))
        return document

    def configure(self, settings: Json) -> None:
        """Sends the settings of all folders to the server."""
        params = types.DidChangeConfigurationParams(settings={"pytestLens": settings})
        self.client.workspace_did_change_configuration(params)

    async def command(self, name: str, *arguments: Any) -> Any:
        """Executes a command."""
        params = types.ExecuteCommandParams(command=name, arguments=list(arguments))
        return plain(await self.in_time(self.client.workspace_execute_command_async(params), name))

    async def refused(self, name: str, *arguments: Any) -> str:
        """Returns the sentence with which a command is refused."""
        try:
            answer = await self.command(name, *arguments)
        except JsonRpcException as error:
            assert error.message.strip(), "an error without a sentence"
            assert "\n" not in error.message.strip(), error.message
            return error.message
        raise AssertionError(f"{name} was not refused, but answered {answer}")

    async def run(self, argument: Json, command: str = "pytestLens.run") -> Run:
        """Runs tests and waits for the `runFinished` notification."""
        answer = await self.command(command, argument)
        return await self.finished(answer)

    async def finished(self, answer: Json) -> Run:
        """Waits for the end of an accepted run."""
        run_id = answer["runId"]
        await self.until(lambda: self.ends(run_id), f"the end of {run_id}")
        ours = [message for message in self.sent() if message["method"].startswith("pytestLens/")]
        events = [message for message in ours if message["params"].get("runId") == run_id]
        return Run(run_id, answer["total"], answer, events)

    def ends(self, run_id: str) -> list[Json]:
        """The end of a run, if it has arrived."""
        return [
            end for end in self.sent("pytestLens/runFinished") if end["params"]["runId"] == run_id
        ]

    async def started(self, id: str, run_id: str) -> None:
        """Waits until a test starts."""
        await self.until(
            lambda: [
                message
                for message in self.sent("pytestLens/testStarted")
                if message["params"]["runId"] == run_id and id in message["params"]["ids"]
            ],
            f"the start of {id}",
        )

    async def collected(self, project: Project | None = None) -> int:
        """Waits until pytest has collected the project's tests; returns their number."""
        uri = (project or self.project).uri()
        answer = await self.command("pytestLens.collect", {"workspace": uri})
        return int(answer["nodeCount"])

    async def tree(self, **argument: Any) -> dict[str, Json]:
        """Returns the whole tree by id, read page by page."""
        items: list[Json] = []
        while True:
            page = await self.command("pytestLens.tests", argument)
            items.extend(page["items"])
            if "next" not in page:
                break
            argument = {**argument, "cursor": page["next"]}
        return {item["id"]: item for item in items}

    async def diagnosed(
        self, document: Document, check: Callable[[list[types.Diagnostic]], bool], name: str
    ) -> list[types.Diagnostic]:
        """Waits until the diagnostics of a document are as expected."""
        await self.until(lambda: check(document.diagnostics()), name)
        return document.diagnostics()
