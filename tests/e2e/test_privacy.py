"""Only its user can read the files that a run leaves, and no log has values of variables."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from editor import Editor
from world import Project, World

SECRET = "hunter2-of-this-test"

TESTS = """
    import os


    def test_told():
        print("printed")
        assert os.environ["TOKEN"] == os.environ["OTHER"]
"""


def open_to_others(folder: Path) -> list[str]:
    """The files below a folder that another user could read or write."""
    found = []
    for path, folders, files in os.walk(folder):
        if stat.S_IMODE(os.stat(path).st_mode) & 0o077 == 0:
            # Nobody else gets in.
            folders.clear()
            continue
        found += [
            os.path.join(path, name)
            for name in files
            if stat.S_IMODE(os.lstat(os.path.join(path, name)).st_mode) & 0o077
        ]
    return found


async def test_what_is_kept_is_private_and_logs_have_no_values(
    world: World, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = os.umask(0)
    try:
        project = Project(tmp_path / "project", {"test_a.py": TESTS, "own.env": "OTHER=other\n"})
        editor = await Editor.start(
            world,
            project,
            settings={"env": {"TOKEN": SECRET}, "envFile": "own.env"},
            env={"PYTEST_LENS_LOG": "trace", "CALLERS_TOKEN": SECRET},
        )
    finally:
        os.umask(before)
    run = await editor.run({"ids": ["test_a.py"]})
    assert run.outcomes == {"test_told": "failed"}
    kept = [world.home / "state", world.home / "cache", Path(world.runtime.name)]
    assert [path for folder in kept for path in open_to_others(folder)] == []
    assert any(folder.exists() and any(folder.iterdir()) for folder in kept)
    await editor.stop()
    assert [path for folder in kept for path in open_to_others(folder)] == []
    log = capfd.readouterr().err
    assert "run{id=" in log, log[-2000:]
    assert SECRET not in log
