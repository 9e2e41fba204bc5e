"""The figures of `pytest-lens mcp`: latency after an edit, size of answers, impact of regressions.

    PYTEST_LENS_BIN=target/release/pytest-lens python tests/mcp/figures.py [latency size impact]

Latency: an agent edits a function and asks for the test that it reaches, warm, with a second
between the edits, as in an agent's work; from the call to its answer, through the official client.
Size: the answer of `run_tests` next to the output of `pytest -q` on the same project. A token is
a run of up to eight letters and digits, of up to four signs, of spaces from two on, or of line
ends: a rule that depends on no model's vocabulary, and counts both sides alike.
Impact: in a project of forty modules that import each other at random, one function is broken;
the run of all tests says which fail, and `impact` must name the file of each.
"""

from __future__ import annotations

import asyncio
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from agent import Agent, Project, World, connected, end_daemon

EDITS = 30
REGRESSIONS = 100
MODULES = 40


def tokens(text: str) -> int:
    """The number of tokens of a text, by the rule above."""
    return len(re.findall(r"[A-Za-z0-9_]{1,8}|[^\sA-Za-z0-9_]{1,4}|\n+| {2,}", text))


def plain(world: World, project: Project, *arguments: str) -> str:
    """The output of plain pytest."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    env = world.env(PYTHONDONTWRITEBYTECODE="1")
    done = subprocess.run(command, cwd=project.root, env=env, capture_output=True, text=True)
    return done.stdout


async def latency(agent: Agent, project: Project, _: World) -> None:
    """Edits a function, and asks for the test that it reaches."""
    for number in range(50):
        project.write(f"tests/test_more{number}.py", "def test_x():\n    pass\n" * 5)
    project.write("core.py", "def double(number):\n    return 2 * number\n")
    project.write(
        "tests/test_core.py",
        "from core import double\n\n\ndef test_double():\n    assert double(3) == 6\n",
    )
    times = []
    await agent.run()
    for number in range(EDITS + 3):
        await asyncio.sleep(1.0)
        is_right = number % 2 == 0
        change = "number * 2" if is_right else f"number + {number}"
        project.write("core.py", f"def double(number):\n    return {change}  # {number}\n")
        began = time.perf_counter()
        answer = await agent.run(ids=["tests/test_core.py::test_double"])
        times.append(1_000 * (time.perf_counter() - began))
        expected = "PASSED: 1 passed" if is_right or number == 3 else "FAILED: 1 failed"
        assert answer.first.startswith(expected), (number, answer.text)
    warm = sorted(times[3:])
    print(
        f"latency: edit to verdict in {statistics.median(warm):.0f} ms in the median "
        f"of {len(warm)}, {warm[0]:.0f} to {warm[-1]:.0f} ms"
    )


PASSING = (
    "import pytest\n@pytest.mark.parametrize('n', range(40))\ndef test_x(n):\n    assert n >= 0\n"
)
LONG = """
    import pytest

    ORDER = {"id": 7, "items": ["apple", "pear"], "total": 12, "paid": False, "customer": "x"}


    @pytest.fixture
    def order(store):
        return store.load(7)


    @pytest.fixture
    def store():
        class Store:
            def load(self, number):
                # The connection is made when the first order is loaded, which is rare enough.
                print("connecting to the store")
                raise ConnectionError(f"the store has no order {number}")

        return Store()


    @pytest.mark.parametrize("field", ["id", "items", "total", "paid", "customer"])
    @pytest.mark.parametrize("version", [1, 2, 3, 4])
    def test_field(order, field, version):
        assert order[field] == ORDER[field]
"""
ONE = """
    def normalize(text):
        words = text.split()
        # Short words keep their case.
        return " ".join(word.title() if len(word) > 2 else word for word in words)


    def test_normalize():
        title = "the quick brown fox jumps over the lazy dog"
        print("normalizing", title)
        expected = "The Quick Brown Fox Jumps Over The Lazy Cat"
        assert normalize(title) == expected
"""


async def size(agent: Agent, project: Project, world: World) -> None:
    """Compares answers with the output of `pytest -q`."""
    kinds = {
        "2,000 tests pass": {f"test_{number}.py": PASSING for number in range(50)},
        "20 fail alike, 40 pass": {"test_long.py": LONG, "test_ok.py": PASSING},
        "1 fails, 1,000 pass": {
            "test_one.py": ONE,
            **{f"test_{number}.py": PASSING for number in range(25)},
        },
        "1 fails": {"test_one.py": ONE},
        "30 fail, each in its way": {
            "test_many.py": "import pytest\n@pytest.mark.parametrize('n', range(30))\n"
            "def test_x(n):\n    data = list(range(n))\n    assert sum(data) == -n\n"
        },
    }
    before = after = 0
    for kind, files in kinds.items():
        for path in project.root.rglob("*.py"):
            path.unlink()
        for name, text in files.items():
            project.write(name, text)
        theirs, ours = tokens(plain(world, project)), tokens((await agent.run()).text)
        before, after = before + theirs, after + ours
        print(f"size: {kind}: {ours} tokens, pytest -q {theirs}: {100 * ours / theirs:.0f}%")
    print(f"size: all: {after} tokens, pytest -q {before}: {100 * after / before:.0f}%")


async def impact(agent: Agent, project: Project, world: World) -> None:
    """Breaks a module and looks for the tests that fail among those that `impact` names."""
    chance = random.Random(14)
    told = missed = 0
    values: list[int] = []
    for number in range(MODULES):
        imports = chance.sample(range(number), min(number, chance.randrange(3)))
        values.append(number + sum(values[other] for other in imports))
        lines = [f"from pkg import m{other}" for other in imports]
        calls = "".join(f" + m{other}.value()" for other in imports)
        lines += [f"def value():\n    return {number}{calls}\n"]
        project.write(f"pkg/m{number}.py", "\n".join(lines))
        test = f"def test_value():\n    assert m{number}.value() == {values[number]}\n"
        project.write(f"tests/test_m{number}.py", f"from pkg import m{number}\n\n\n{test}")
    project.write("pkg/__init__.py", "")
    assert (await agent.run()).verdict == "PASSED"
    for seed in range(REGRESSIONS):
        chance = random.Random(seed)
        path = f"pkg/m{chance.randrange(MODULES)}.py"
        before = project.read(path)
        project.write(
            path, before.replace("return ", f"return {chance.randrange(10**6, 10**7)} + ", 1)
        )
        text = (await agent.call("impact", paths=[path])).text
        answer = await agent.run()
        failed = set(re.findall(r"tests/test_m\d+\.py", answer.text))
        named = set(re.findall(r"^- (tests/test_m\d+\.py)", text, re.M))
        assert answer.verdict == "FAILED" and failed, answer.text
        is_told = failed <= named
        told, missed = told + is_told, missed + (not is_told)
        if not is_told:
            print(f"impact: {path}: {sorted(failed - named)} failed and are not named")
        project.write(path, before)
    print(
        f"impact: {told} of {told + missed} regressions are named with every test that they break"
    )


async def one(figure: str) -> None:
    """Measures one figure in a project of its own."""
    folder = Path(tempfile.mkdtemp(prefix="lens-mcp-"))
    home = folder / "home"
    home.mkdir()
    world = World(home)
    with world.runtime:
        project = Project(folder / "project", {"pytest.ini": "[pytest]\npythonpath = .\n"})
        async with connected(world, project.root) as agent:
            await {"latency": latency, "size": size, "impact": impact}[figure](
                agent, project, world
            )
        end_daemon(world)


if __name__ == "__main__":
    for wanted in sys.argv[1:] or ["latency", "size", "impact"]:
        asyncio.run(one(wanted))
