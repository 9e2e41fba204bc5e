"""Runs without room on the disk: the usual outcomes, or a sentence, and the next run works."""

from __future__ import annotations

import resource
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from world import Project, World, binary

TEST = """\
import pytest

@pytest.mark.parametrize("number", range(5))
def test_it(number):
    print("said")
    assert number != 3
"""
USUAL = "1 failed, 4 passed"
KIB = 1024
FOLDERS = ["XDG_STATE_HOME", "XDG_CACHE_HOME", "TMPDIR"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with little room, if this user may mount one."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root may mount a file system")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def _run(root: Path, env: dict[str, str], limit: int | None = None) -> tuple[int, str]:
    """The status of a run, and what it printed last; with a limit of the size of files."""

    def begin() -> None:
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    done = subprocess.run(
        [str(binary()), "run", "-q", "--color=no"],
        cwd=root,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        preexec_fn=begin,
    )
    if done.returncode in (0, 1):
        return done.returncode, done.stdout.splitlines()[-1].partition(" in ")[0]
    return done.returncode, done.stderr


def _fill(folder: Path) -> Path:
    """Takes all the room that is left."""
    file = folder / "filler"
    with file.open("wb", buffering=0) as taken:
        for size in (1 << 20, KIB, 1):
            try:
                while True:
                    taken.write(bytes(size))
            except OSError:
                pass
    return file


@pytest.mark.parametrize("when", ["at first", "later"])
def test_no_room_on_the_disk(world: World, small_disk: Path, tmp_path: Path, when: str) -> None:
    """Temporary files and caches go where Python puts the former: into the system's folder."""
    root = Project(tmp_path / "suite", {"test_it.py": TEST}).root
    env = world.env(**dict.fromkeys(FOLDERS, str(small_disk)))
    if when == "later":
        assert _run(root, env) == (1, USUAL)
    filler = _fill(small_disk)
    assert _run(root, env) == (1, USUAL)
    filler.unlink()
    assert _run(root, env) == (1, USUAL)


@pytest.mark.parametrize("limit", [0, KIB])
def test_a_limit_of_the_size_of_files(world: World, tmp_path: Path, limit: int) -> None:
    root = Project(tmp_path / "suite", {"test_it.py": TEST}).root
    env = world.env()
    assert _run(root, env) == (1, USUAL)
    status, said = _run(root, env, limit)
    if limit:
        assert (status, said) == (1, USUAL)
    else:
        assert status == 4 and "No usable temporary directory" in said, said
    assert _run(root, env) == (1, USUAL)
