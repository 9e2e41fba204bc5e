"""Two dozen ways in which a tool says "all passed" though that is not so, as sessions.

Each begins in a project whose tests pass, does what an agent or a person may do, and asks for a
verdict. None may be `PASSED`. `test_traps.py` plays each once, `sessions.py` a thousand of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import subprocess
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from agent import Agent, Answer, Project, World

BASE = {
    "pytest.ini": "[pytest]\nmarkers =\n    slow: takes long\n",
    "core.py": "def total(numbers):\n    return sum(numbers)\n",
    "data.json": "[1, 2, 3]\n",
    "tests/test_core.py": """
        import json
        import pathlib

        from core import total


        def test_total():
            assert total([1, 2]) == 3


        def test_data():
            numbers = json.loads(pathlib.Path("data.json").read_text())
            assert total(numbers) == 6
    """,
    "tests/test_other.py": "def test_other():\n    assert True\n",
}


@dataclass
class Stage:
    """A project with an agent in it."""

    world: World
    project: Project
    agent: Agent
    random: random.Random = field(default_factory=lambda: random.Random(0))

    def reset(self) -> None:
        """Makes the project as it was."""
        for path in self.project.root.iterdir():
            if path.name == ".git":
                continue
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        for name, text in BASE.items():
            self.project.write(name, text)

    def commit(self) -> None:
        """Commits all files."""
        git = ["git", "-c", "user.name=x", "-c", "user.email=x@x", "-c", "commit.gpgsign=false"]
        root = self.project.root
        if not (root / ".git").exists():
            subprocess.run([*git, "init", "-q"], cwd=root, check=True)
        subprocess.run([*git, "add", "-A"], cwd=root, check=True)
        subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "x"], cwd=root, check=True)

    def name(self) -> str:
        """A new name."""
        return f"n{self.random.randrange(10**9)}"

    def add(self, text: str, path: str = "") -> str:
        """Adds a test file; returns its path."""
        path = path or f"tests/test_{self.name()}.py"
        self.project.write(path, text)
        return path

    async def run(self, **arguments: object) -> Answer:
        """Calls `run_tests`, which may refuse."""
        return await self.agent.call("run_tests", **arguments)


Act = Callable[[Stage], Awaitable[Answer]]


@dataclass(frozen=True)
class Trap:
    """One way to a false pass."""

    name: str
    act: Act
    #: What the answer must begin with; "refused" is an error's sentence.
    allowed: tuple[str, ...]


TRAPS: list[Trap] = []


def trap(*allowed: str) -> Callable[[Act], Act]:
    """Adds a trap to the table."""

    def add(act: Act) -> Act:
        TRAPS.append(Trap(act.__name__, act, allowed))
        return act

    return add


@trap("NO TESTS RAN")
async def the_keyword_matches_nothing(stage: Stage) -> Answer:
    return await stage.run(keyword=stage.name())


@trap("NO TESTS RAN", "refused")
async def the_file_has_no_tests(stage: Stage) -> Answer:
    return await stage.run(paths=[stage.add("def helper():\n    pass\n")])


@trap("NO TESTS RAN")
async def every_test_is_skipped(stage: Stage) -> Answer:
    skipped = stage.add(
        "import pytest\npytestmark = pytest.mark.skip\ndef test_x():\n    assert 0\n"
    )
    return await stage.run(paths=[skipped])


@trap("NO TESTS RAN", "INCOMPLETE")
async def the_configuration_deselects_the_test(stage: Stage) -> Answer:
    stage.project.write("pytest.ini", BASE["pytest.ini"] + "addopts = -m 'not slow'\n")
    path = stage.add("import pytest\n@pytest.mark.slow\ndef test_x():\n    assert 0\n")
    ids = [f"{path}::test_x", *stage.random.choice([[], ["tests/test_other.py::test_other"]])]
    return await stage.run(ids=ids)


@trap("INCOMPLETE")
async def every_test_fails_as_expected(stage: Stage) -> Answer:
    mark = "import pytest\n@pytest.mark.xfail\n"
    return await stage.run(paths=[stage.add(f"{mark}def test_x():\n    assert 0\n")])


@trap("FAILED")
async def a_test_file_has_a_syntax_error(stage: Stage) -> Answer:
    stage.add("def test_x(:\n    pass\n")
    return await stage.run()


@trap("FAILED")
async def a_test_file_can_not_be_imported(stage: Stage) -> Answer:
    stage.add(f"import {stage.name()}\ndef test_x():\n    pass\n")
    return await stage.run(paths=["tests"])


@trap("refused", "FAILED")
async def the_conftest_raises(stage: Stage) -> Answer:
    stage.project.write("conftest.py", f"raise RuntimeError({stage.name()!r})\n")
    return await stage.run()


@trap("refused")
async def the_configuration_is_broken(stage: Stage) -> Answer:
    stage.project.write("pytest.ini", f"[pytest]\naddopts = --{stage.name()}\n")
    return await stage.run()


@trap("FAILED")
async def a_test_ends_its_process(stage: Stage) -> Answer:
    status = stage.random.choice([0, 1])
    path = stage.add(f"import os\ndef test_x():\n    os._exit({status})\n")
    return await stage.run(paths=[path, "tests/test_other.py"])


@trap("FAILED", "INCOMPLETE")
async def a_test_exits_pytest_with_success(stage: Stage) -> Answer:
    leave = stage.random.choice(["sys.exit(0)", "pytest.exit('done', returncode=0)"])
    path = stage.add(
        f"import sys\nimport pytest\ndef test_x():\n    {leave}\ndef test_y():\n    pass\n"
    )
    return await stage.run(paths=[path])


@trap("FAILED")
async def a_teardown_fails(stage: Stage) -> Answer:
    fixture = "import pytest\n@pytest.fixture\ndef thing():\n    yield\n    assert 0\n"
    return await stage.run(paths=[stage.add(f"{fixture}def test_x(thing):\n    pass\n")])


@trap("FAILED")
async def a_subtest_fails(stage: Stage) -> Answer:
    number = stage.random.randrange(3)
    text = f"""
        import unittest


        class TestX(unittest.TestCase):
            def test_x(self):
                for number in range(3):
                    with self.subTest(number=number):
                        self.assertNotEqual(number, {number})
    """
    return await stage.run(paths=[stage.add(text)])


@trap("FAILED")
async def a_strict_xfail_passes(stage: Stage) -> Answer:
    mark = "import pytest\n@pytest.mark.xfail(strict=True)\n"
    return await stage.run(paths=[stage.add(f"{mark}def test_x():\n    pass\n")])


@trap("FAILED")
async def the_code_was_edited_just_now(stage: Stage) -> Answer:
    await stage.run(ids=["tests/test_core.py::test_total"])
    stage.project.write("core.py", "def total(numbers):\n    return 0\n")
    return await stage.run(ids=["tests/test_core.py::test_total"])


@trap("FAILED")
async def an_edit_keeps_size_and_time(stage: Stage) -> Answer:
    core = stage.project.root / "core.py"
    await stage.run()
    before = core.stat()
    stage.project.write("core.py", "def total(numbers):\n    return max(numbers)\n")
    os.utime(core, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert core.stat().st_size == before.st_size
    return await stage.run()


@trap("FAILED")
async def a_data_file_was_edited(stage: Stage) -> Answer:
    await stage.run()
    stage.project.write("data.json", f"[{stage.random.randrange(7, 99)}]\n")
    return await stage.run()


@trap("OUTDATED")
async def the_code_changes_while_the_tests_run(stage: Stage) -> Answer:
    text = """
        import pathlib
        import time

        def test_x():
            pathlib.Path("started").touch()
            while not pathlib.Path("goes_on").exists():
                time.sleep(0.005)
    """
    running = asyncio.ensure_future(stage.run(paths=[stage.add(text), "tests/test_core.py"]))
    while not (stage.project.root / "started").exists():
        assert not running.done(), await running
        await asyncio.sleep(0.005)
    if stage.random.random() < 0.5:
        stage.project.write("core.py", f"def total(numbers):\n    return {stage.random.random()}\n")
    else:
        (stage.project.root / "core.py").unlink()
    (stage.project.root / "goes_on").touch()
    return await running


@trap("INCOMPLETE")
async def a_test_hangs_beyond_the_time_limit(stage: Stage) -> Answer:
    text = "import subprocess\ndef test_x():\n    subprocess.run(['sleep', '1000'])\n"
    answer = await stage.run(paths=[stage.add(text)], time_limit=1)
    assert not await asyncio.to_thread(stage.world.wait_until_gone, "sleep 1000")
    return answer


@trap("refused")
async def one_of_two_ids_is_unknown(stage: Stage) -> Answer:
    ids = ["tests/test_other.py::test_other", f"tests/test_core.py::test_{stage.name()}"]
    stage.random.shuffle(ids)
    return await stage.run(ids=ids)


@trap("refused")
async def the_test_was_deleted_meanwhile(stage: Stage) -> Answer:
    path = stage.add("def test_x():\n    pass\ndef test_y():\n    pass\n")
    await stage.run(paths=[path])
    stage.project.write(path, "def test_y():\n    pass\n")
    return await stage.run(ids=[f"{path}::test_x"])


@trap("INCOMPLETE")
async def a_hook_drops_the_test(stage: Stage) -> Answer:
    hook = """
        def pytest_collection_modifyitems(config, items):
            items[:] = [item for item in items if item.name != "test_x"]
    """
    stage.project.write("conftest.py", hook)
    path = stage.add("def test_x():\n    assert 0\ndef test_y():\n    pass\n")
    return await stage.run(ids=[f"{path}::test_x", f"{path}::test_y"])


@trap("FAILED")
async def the_configuration_stops_at_the_first_failure(stage: Stage) -> Answer:
    stage.project.write("pytest.ini", BASE["pytest.ini"] + "addopts = -x\n")
    path = stage.add("def test_x():\n    assert 0\ndef test_y():\n    pass\n")
    return await stage.run(paths=[path])


@trap("NO TESTS RAN")
async def the_change_reaches_no_test(stage: Stage) -> Answer:
    stage.commit()
    stage.project.write(f"docs/{stage.name()}.md", "text\n")
    return await stage.run(affected=True)


@trap("NO TESTS RAN")
async def no_test_failed_before(stage: Stage) -> Answer:
    await stage.run()
    return await stage.run(failed=True, paths=["tests/test_other.py"])


async def play(stage: Stage, trap: Trap, seed: int) -> str:
    """Plays one session in a fresh project; returns the complaint, or nothing."""
    stage.random = random.Random(f"{trap.name} {seed}")
    stage.reset()
    answer = await trap.act(stage)
    word = "refused" if answer.is_error else answer.verdict
    if word not in trap.allowed:
        return f"{trap.name} ({seed}): {answer.text}"
    if word == "refused" and "\n" in answer.text:
        return f"{trap.name} ({seed}): not one sentence: {answer.text}"
    return ""


async def control(stage: Stage) -> str:
    """Without a trap the same project passes; returns the complaint, or nothing."""
    stage.reset()
    answer = await stage.run()
    with contextlib.suppress(IndexError):
        if answer.first.startswith("PASSED: 3 passed in "):
            return ""
    return f"control: {answer.text}"
