"""Output in files: each test has its own part of them, and long output stays out of memory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import Project
from fake_engine import Host, Message, start

PRINTING = """
import logging, os, subprocess, sys

def test_first():
    print("python")
    os.write(1, b"descriptor\\n")
    subprocess.run(["sh", "-c", "echo child >&2"])
    logging.getLogger("x").warning("logged %d", 1)

def test_silent():
    pass

def test_last(capfd):
    print("read by the test")
    assert capfd.readouterr().out == "read by the test\\n"
    print("left")
"""


def parts(host: Host, prefix: Path) -> list[dict[str, str]]:
    """Return the output of each test, by the offsets in its messages."""
    started = {message["i"]: message["at"] for message in host.all("started")}
    found = []
    for message in host.all("finished"):
        texts = {}
        for place, name in enumerate(("out", "err", "log")):
            data = Path(f"{prefix}.{name}").read_bytes()
            texts[name] = data[started[message["i"]][place] : message["to"][place]].decode()
        found.append(texts)
    return found


def run(host: Host, ids: list[str], prefix: Path, **settings: Any) -> list[Message]:
    """Run tests to the end with their output in files."""
    host.wait("runner_ready")
    start(host, ids, output=str(prefix), **settings)
    host.wait("done")
    return host.all("finished")


@pytest.mark.parametrize("role", ["runner", "session"])
def test_each_test_has_its_part(project: Project, tmp_path: Path, role: str) -> None:
    engine = project({"test_a.py": PRINTING})
    base = engine.base()
    base.wait("ready")
    if role == "runner":
        host = engine.fork(engine.collected(), "runner")
    else:
        host = engine.fork(base, "session")
    ids = [f"test_a.py::test_{name}" for name in ("first", "silent", "last")]
    verdicts = run(host, ids, tmp_path / "out" / "w0")
    first, silent, last = parts(host, tmp_path / "out" / "w0")
    assert (first["out"], first["err"]) == ("python\ndescriptor\n", "child\n")
    record = json.loads(first["log"])
    assert (record["message"], record["level"]) == ("logged 1", "WARNING")
    assert "logged 1" in record["text"]
    assert silent == {"out": "", "err": "", "log": ""}
    assert last["out"].endswith("left\n")
    assert [verdict["outcome"] for verdict in verdicts] == ["passed"] * 3
    assert verdicts[0]["stdout"] == "python\ndescriptor\n"
    assert "stdout" not in verdicts[1]
    assert verdicts[2]["stdout"] == "left\n"


def test_a_flood_is_cut_when_it_is_read_back(project: Project, tmp_path: Path) -> None:
    text = """
        import os
        def test_floods():
            for n in range(8 * 1024): os.write(1, b"x" * 1023 + b"\\n")
            print("the end")
    """
    engine = project({"test_a.py": text})
    host = engine.fork(engine.collected(), "runner")
    (verdict,) = run(host, ["test_a.py::test_floods"], tmp_path / "w0")
    assert len(verdict["stdout"]) < 2 << 20
    assert "bytes left out" in verdict["stdout"] and verdict["stdout"].endswith("the end\n")
    assert verdict["to"][0] == (8 << 20) + 8


def test_a_folder_is_made_for_who_asks(project: Project, tmp_path: Path) -> None:
    text = """
        def test_leaves(lens_artifacts): (lens_artifacts / "a.txt").write_text("hello")
        def test_does_not(): pass
    """
    engine = project({"test_a.py": text})
    host = engine.fork(engine.collected(), "runner")
    verdicts = run(host, ["test_a.py::test_leaves", "test_a.py::test_does_not"], tmp_path / "w0")
    assert (Path(verdicts[0]["artifacts"]) / "a.txt").read_text() == "hello"
    assert "artifacts" not in verdicts[1]


def test_without_files_all_is_as_ever(project: Project) -> None:
    text = "def test_a(lens_artifacts): print(lens_artifacts.is_dir())"
    engine = project({"test_a.py": text})
    host = engine.fork(engine.collected(), "runner")
    host.wait("runner_ready")
    start(host, ["test_a.py::test_a"])
    host.wait("done")
    assert "at" not in host.all("started")[0]
    (verdict,) = host.all("finished")
    assert (verdict["outcome"], verdict["stdout"]) == ("passed", "True\n")
