"""Clients of one daemon that have activated different environments: each runs in its own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import lens
from daemon import Client, Daemon
from environments import environment
from world import Project, World

#: Says where it runs: one test for each environment.
FILES = {
    "test_x.py": """
        import importlib.util
        import os
        import shutil
        import sys

        import pytest

        @pytest.mark.parametrize("name", ["first", "second"])
        def test_in(name):
            assert os.path.basename(sys.prefix) == name
            assert importlib.util.find_spec(f"only_{name}")
            assert os.environ.get("VIRTUAL_ENV", sys.prefix) == sys.prefix
            assert os.path.dirname(shutil.which("python3")) == os.path.join(sys.prefix, "bin")
    """
}


@pytest.fixture(scope="module")
def environments(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """Variables that activate an environment, by its name."""
    folder = tmp_path_factory.mktemp("environments")
    return {name: environment(folder / name) for name in ("first", "second")}


@pytest.fixture
def daemon(world: World, environments: dict[str, dict[str, str]]) -> Iterator[Daemon]:
    # As if the first client had started it.
    running = Daemon(world, env=environments["first"])
    yield running
    running.end()


def _passed(world: World, daemon: Daemon, root: Path, env: dict[str, str]) -> set[str]:
    told = lens(world, "run", "-rp", "--connect", daemon.socket, cwd=root, env=env)
    lines = [line for line in told.lines if line.startswith("PASSED ")]
    return {line.partition("[")[2].rstrip("]") for line in lines}


def test_each_project_runs_in_the_environment_of_its_client(
    world: World, daemon: Daemon, tmp_path: Path, environments: dict[str, dict[str, str]]
) -> None:
    for name, env in environments.items():
        root = Project(tmp_path / f"of {name}", FILES).root
        assert _passed(world, daemon, root, env) == {name}


def test_clients_of_one_project_run_each_in_their_environment(
    world: World, daemon: Daemon, tmp_path: Path, environments: dict[str, dict[str, str]]
) -> None:
    root = Project(tmp_path / "project", FILES).root
    for name in ("first", "second", "first", "second"):
        assert _passed(world, daemon, root, environments[name]) == {name}


def _open(client: Client, root: Path, env: dict[str, str] | None) -> str:
    activated = env and {"virtual_env": env.get("VIRTUAL_ENV"), "path": env["PATH"]}
    opened = client.expect(
        "context_ready",
        "init_context",
        protocol_version=1,
        repo_path=str(root),
        activated=activated,
    )
    context: str = opened["context_id"]
    return context


def _python(client: Client, context: str) -> str:
    status = client.expect("context_status", "get_context_status", context_id=context)
    path: str = status["python_path"]
    return path


def test_a_client_that_names_no_environment_has_the_daemons(
    world: World, daemon: Daemon, tmp_path: Path, environments: dict[str, dict[str, str]]
) -> None:
    root = Project(tmp_path / "project", FILES).root
    client = daemon.client()
    context = _open(client, root, None)
    assert _python(client, context) == f"{environments['first']['VIRTUAL_ENV']}/bin/python"
    assert _open(client, root, environments["first"]) == context
    assert _open(client, root, environments["second"]) != context
    client.close()


def test_python_on_the_path_is_that_of_the_client(
    world: World, daemon: Daemon, tmp_path: Path, environments: dict[str, dict[str, str]]
) -> None:
    root = Project(tmp_path / "project", FILES).root
    client = daemon.client()
    for name in ("second", "first"):
        context = _open(client, root, {"PATH": environments[name]["PATH"]})
        assert _python(client, context) == f"{environments[name]['VIRTUAL_ENV']}/bin/python3"
    client.close()


def test_a_shared_context_ends_with_the_projects_own_environment(
    world: World, daemon: Daemon, tmp_path: Path, environments: dict[str, dict[str, str]]
) -> None:
    root = Project(tmp_path / "project", FILES).root
    environment(root / ".venv")
    first, second = daemon.client(), daemon.client()
    shared = _open(first, root, environments["first"])
    assert _open(second, root, environments["second"]) == shared
    assert _python(second, shared) == str(root / ".venv" / "bin" / "python")

    shutil.rmtree(root / ".venv")
    for client, name in ((first, "first"), (second, "second")):
        why = client.refused("context_not_found", "run", context_id=shared, node_ids=[])
        assert "different" in why and str(root) in why
        own = _open(client, root, environments[name])
        assert _python(client, own) == f"{environments[name]['VIRTUAL_ENV']}/bin/python"
    first.close()
    second.close()
