"""The shared daemon: access, bad input, its end, and the processes behind it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgpack
import pytest
from command_line import lens
from daemon import Client, Daemon
from editor import Editor
from world import DEADLINE, Project, World, binary

TESTS = """
    def test_good():
        pass


    def test_bad():
        assert 1 == 2
"""

HANGS = """
    import os
    import time


    def test_hangs():
        os.mkfifo("fifo")
        with open("fifo", "w") as fifo:
            fifo.write("begun")
        time.sleep(600)
"""


@pytest.fixture
def place(world: World, request: pytest.FixtureRequest) -> str:
    """A path for a socket."""
    return str(Path(world.runtime.name) / f"{abs(hash(request.node.name)):x}" / "d.sock")


@pytest.fixture
def daemon(world: World, place: str) -> Iterator[Daemon]:
    running = Daemon(world, "--socket", place)
    yield running
    if running.process.poll() is None:
        running.end()


def test_the_default_place_is_private_and_clean_afterwards(world: World) -> None:
    daemon = Daemon(world)
    path = Path(daemon.socket)
    assert path == Path(world.runtime.name) / "pytest-lens" / "daemon.sock"
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert path.stat().st_mode & 0o077 == 0
    assert daemon.end() == 0
    assert list(path.parent.iterdir()) == []
    path.parent.rmdir()


def test_a_second_daemon_is_refused_and_the_first_goes_on(
    world: World, daemon: Daemon, tmp_path: Path
) -> None:
    told = lens(world, "daemon", "--socket", daemon.socket, cwd=tmp_path)
    assert told.status == 4
    assert told.sentence.startswith(f"a daemon listens on {daemon.socket} already")
    daemon.client().expect("pong", "ping")


def test_the_socket_of_a_killed_daemon_is_replaced(world: World, daemon: Daemon) -> None:
    daemon.end(signal.SIGKILL)
    assert Path(daemon.socket).exists()
    second = Daemon(world, "--socket", daemon.socket)
    second.client().expect("pong", "ping")
    assert second.end() == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_user_is_turned_away(daemon: Daemon) -> None:
    # The folders keep others out already; here they do not.
    for path in (Path(daemon.socket), *list(Path(daemon.socket).parents)[:2]):
        path.chmod(0o777)
    code = (
        "import os, socket, sys\n"
        "os.setgid(65534); os.setuid(65534)\n"
        "s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])\n"
        "try:\n    s.sendall(bytes([6, 0, 0, 0, 0x91, 0xa4]) + b'ping')\n"
        "except BrokenPipeError: pass\n"
        "try:\n    print(s.recv(100))\nexcept ConnectionResetError: print(b'')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, daemon.socket],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )
    assert done.stdout == "b''\n", done
    daemon.client().expect("pong", "ping")


def test_no_daemon_is_told_with_the_way_out(world: World, tmp_path: Path) -> None:
    Project(tmp_path, {"test_it.py": TESTS})
    told = lens(world, "list", "--connect", "nowhere.sock", cwd=tmp_path)
    assert told.status == 4
    assert told.sentence.startswith(f"no daemon listens on {tmp_path}/nowhere.sock: start one with")


def test_bad_input_hurts_its_own_connection_at_most(daemon: Daemon) -> None:
    other = daemon.client()
    client = daemon.client()
    for message in [b"", b"\xc1", b"junk" * 100, b"\x81" * 5_000, msgpack.packb({"type": 7})]:
        client.send(message)
        answer = client.receive()
        assert (answer["type"], answer["code"]) == ("error", "invalid_request"), message
    assert "ping" in client_error(client, {"type": "pingg"})
    assert "field `force`" in client_error(
        client, {"type": "collect", "context_id": "c", "force": 3}
    )
    negative = {"enabled": True, "max_reruns": 1, "only_flaky": False, "delay_ms": -1}
    told = client_error(client, {"type": "configure_rerun", "context_id": "c", **negative})
    assert "field `delay_ms`" in told
    for control in ("stop_run", "kill_run"):
        assert "run-x" in client.refused("invalid_request", control, run_id="run-x")
    assert "ctx-x" in client.refused("context_not_found", "get_inventory", context_id="ctx-x")
    client.expect("pong", "ping")

    client.stream.sendall(struct.pack("<I", 64 * 1024 * 1024 + 1))
    assert client.receive()["code"] == "invalid_request"
    assert client.exactly(1) == b"", "it is closed"

    cut = daemon.client()
    cut.stream.sendall(struct.pack("<I", 100) + b"half")
    cut.stream.shutdown(socket.SHUT_WR)
    assert cut.receive()["code"] == "invalid_request"
    assert cut.exactly(1) == b""
    other.expect("pong", "ping")


def client_error(client: Client, message: object) -> str:
    """Returns the sentence that answers an invalid message."""
    client.send(msgpack.packb(message))
    answer = client.receive()
    assert (answer["type"], answer["code"]) == ("error", "invalid_request"), answer
    told: str = answer["message"]
    return told


def test_a_hanging_client_delays_nobody_and_its_run_goes_with_it(
    world: World, daemon: Daemon, tmp_path: Path
) -> None:
    project = Project(tmp_path / "project", {"test_it.py": TESTS, "test_hangs.py": HANGS})
    patient, quick = daemon.client("compact"), daemon.client()
    context = patient.open(project.root)
    assert quick.open(project.root) == context
    os.mkfifo(project.root / "begun")
    project.write(
        "test_hangs.py", HANGS.replace('os.mkfifo("fifo")', "").replace('"fifo"', '"begun"')
    )
    patient.start("run", context_id=context, node_ids=["test_hangs.py"])
    assert (project.root / "begun").read_text() == "begun"
    end = quick.expect("run_complete", "run", context_id=context, node_ids=["test_it.py"])
    assert (end["passed"], end["failed"]) == (1, 1)
    patient.close()
    cursor, ends = 0, []
    while len(ends) < 2:
        answer = quick.expect(
            "events", "get_events", context_id=context, cursor=cursor, wait_ms=60_000
        )
        cursor = answer["cursor"]
        ends += [event["status"] for event in answer["events"] if event["event"] == "runFinished"]
    assert sorted(ends) == ["failed", "killed"]


@pytest.mark.parametrize("how", ["SIGTERM", "SIGINT", "shutdown"])
def test_the_end_leaves_neither_processes_nor_a_socket(
    world: World, daemon: Daemon, tmp_path: Path, how: str
) -> None:
    project = Project(tmp_path / "project", {"test_hangs.py": HANGS})
    os.mkfifo(project.root / "begun")
    project.write(
        "test_hangs.py", HANGS.replace('os.mkfifo("fifo")', "").replace('"fifo"', '"begun"')
    )
    client = daemon.client()
    context = client.open(project.root)
    client.expect("run_started", "run_stream", context_id=context, node_ids=[])
    assert (project.root / "begun").read_text() == "begun"
    if how == "shutdown":
        client.expect("shutdown_ack", "shutdown")
        status = daemon.wait()
    else:
        status = daemon.end(getattr(signal, how))
    assert status == 0
    assert world.wait_until_gone() == {}
    assert list(Path(daemon.socket).parent.iterdir()) == []
    assert client.exactly(1) == b""


def test_an_idle_daemon_ends_when_its_last_client_leaves(world: World, place: str) -> None:
    daemon = Daemon(world, "--socket", place, "--idle-timeout", "0.3")
    client = daemon.client()
    for _ in range(100):
        client.expect("pong", "ping")
    assert daemon.process.poll() is None
    client.close()
    assert daemon.wait() == 0
    assert not Path(place).exists()


def test_commands_share_the_daemon(world: World, daemon: Daemon, tmp_path: Path) -> None:
    root = Project(tmp_path / "project", {"test_it.py": TESTS}).root
    connect = ("--connect", daemon.socket)
    listed = lens(world, "list", *connect, cwd=root)
    assert listed.lines == ["test_it.py::test_good", "test_it.py::test_bad"]
    for _ in range(2):
        run = lens(world, "run", "--json", *connect, cwd=root)
        assert run.status == 1
        assert run.outcomes == {"test_it.py::test_good": "passed", "test_it.py::test_bad": "failed"}
    assert len([event for event in run.json if event["event"] == "runStarted"]) == 1, "its own run"
    shards = [lens(world, "shard", f"{index}/2", *connect, cwd=root).lines for index in (1, 2)]
    assert sorted(id for shard in shards for id in shard) == sorted(listed.lines)
    for index, shard in enumerate(shards, 1):
        told = lens(world, "run", "--json", "--shard", f"{index}/2", *connect, cwd=root)
        assert sorted(told.outcomes) == sorted(shard)
    figures = lens(world, "shard", "2", "--json", *connect, cwd=root).json[0]
    assert (figures["total_tests"], figures["shard_test_counts"]) == (2, [1, 1])
    retried = lens(world, "run", "--json", "--reruns", "2", "-k", "bad", *connect, cwd=root)
    told = [
        one for line in retried.json if line["event"] == "testOutcome" for one in line["outcomes"]
    ]
    assert [(one["attempt"], one.get("willRerun", False)) for one in told] == [
        (1, True),
        (2, True),
        (3, False),
    ]


def test_d7_a_folder_of_a_project_shares_its_environment_and_history(
    world: World, daemon: Daemon, tmp_path: Path
) -> None:
    root = tmp_path / "project"
    prefix = f"import sys\n\n\ndef test_prefix():\n    assert sys.prefix == '{root}/.venv'\n"
    files = {"pytest.ini": "[pytest]\n", "test_it.py": TESTS}
    Project(root, {**files, "sub/test_prefix.py": prefix, "sub/test_sub.py": TESTS})
    (root / ".venv").symlink_to(sys.prefix)
    connect = ("--connect", daemon.socket)
    good, bad = (f"sub/test_sub.py::test_{name}" for name in ("good", "bad"))
    outcomes = {"sub/test_prefix.py::test_prefix": "passed", good: "passed", bad: "failed"}
    assert lens(world, "list", *connect, cwd=root / "sub").lines == [*outcomes]
    assert lens(world, "run", "--json", *connect, cwd=root / "sub").outcomes == outcomes
    one = lens(world, "run", "--json", "test_sub.py::test_bad", *connect, cwd=root / "sub")
    assert one.outcomes == {bad: "failed"}
    again = lens(world, "run", "--json", "--last-failed", *connect, cwd=root)
    assert again.outcomes == {bad: "failed"}
    here = lens(world, "run", "--json", "--root", ".", *connect, cwd=root / "sub")
    assert here.outcomes == {id.removeprefix("sub/"): told for id, told in outcomes.items()}


def test_the_daemon_and_the_history_on_disk_agree_on_what_is_flaky(
    world: World, daemon: Daemon, tmp_path: Path
) -> None:
    turn = tmp_path / "turn"
    flips = f"""
        import pathlib


        def test_flips():
            turn = pathlib.Path({str(turn)!r})
            first = not turn.exists()
            turn.touch()
            assert first
    """
    root = Project(tmp_path / "project", {"test_flips.py": flips}).root
    for status in (0, 1):
        assert lens(world, "run", cwd=root).status == status
    alone = lens(world, "flaky", "--json", cwd=root)
    assert [test["evidence"] for test in alone.json] == ["same_code"]
    shared = lens(world, "flaky", "--json", "--connect", daemon.socket, cwd=root)
    assert shared.json == alone.json


def test_an_empty_shard_is_nothing_to_run(world: World, tmp_path: Path) -> None:
    root = Project(tmp_path / "project", {"test_it.py": TESTS}).root
    told = lens(world, "run", "--shard", "3/3", "--strategy", "round_robin", cwd=root)
    assert told.status == 5
    assert "shard 3/3" in told.err
    told = lens(world, "run", "-k", "nothing", "--shard", "1/3", cwd=root)
    assert told.status == 5


async def test_an_editor_behind_the_daemon(world: World, daemon: Daemon, tmp_path: Path) -> None:
    project = Project(tmp_path / "project", {"test_it.py": TESTS})
    before = lens(world, "run", "--connect", daemon.socket, cwd=project.root)
    assert before.status == 1
    editors = [
        await Editor.start(world, project, arguments=("--connect", daemon.socket)) for _ in range(2)
    ]
    one, two = editors
    for editor in editors:
        assert await editor.collected() == 2
        assert set(await editor.tree()) >= {"test_it.py", "test_it.py::test_good"}
        assert editor.sent("pytestLens/runStarted") == [], "the past is not this editor's"
    run = await one.run({})
    assert run.outcomes == {"test_good": "passed", "test_bad": "failed"}
    assert (await two.finished(run.answer)).outcomes == run.outcomes, "both see it"
    document = one.open("test_it.py")
    titles = [item.command.title for item in await document.lenses() if item.command]
    assert len([title for title in titles if "Run" in title]) == 2
    await two.stop()
    assert (await one.run({})).outcomes == run.outcomes, "its context is not the other's to end"

    daemon.end(signal.SIGKILL)
    await one.until(
        lambda: [text for text in one.shown() if "daemon" in text], "word of the daemon's end"
    )
    titles = [item.command.title for item in await document.lenses() if item.command]
    assert len([title for title in titles if "Run" in title]) == 2, "lenses go on"
    assert "daemon" in await one.refused("pytestLens.run", {})
    again = Daemon(world, "--socket", daemon.socket)
    assert (await one.run({})).outcomes == run.outcomes
    await one.stop()
    assert again.end() == 0
    assert await asyncio.to_thread(world.wait_until_gone) == {}


def test_an_editor_that_leaves_without_a_word_is_a_failure(world: World) -> None:
    def say(*messages: str) -> int:
        """Sends one message after the other, and waits for the answers of those that have one."""
        server = subprocess.Popen(
            [binary(), "lsp"], env=world.env(), stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert server.stdin is not None and server.stdout is not None
        for method in messages:
            request: dict[str, object] = {"jsonrpc": "2.0", "method": method}
            if method != "exit":
                request["id"] = method
                if method == "initialize":
                    request["params"] = {"capabilities": {}}
            body = json.dumps(request).encode()
            server.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
            server.stdin.flush()
            told = b""
            while method != "exit" and f'"id":"{method}"'.encode() not in told:
                told += os.read(server.stdout.fileno(), 65_536)
        status = server.wait(DEADLINE)
        server.stdin.close()
        server.stdout.close()
        return status

    assert say("initialize", "exit") == 1
    assert say("initialize", "shutdown", "exit") == 0
