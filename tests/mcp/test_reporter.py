"""`pytest-lens run` for an agent prints the answer that the server gives."""

from __future__ import annotations

import re

import pytest
from command_line import lens
from traps import Stage

BAD = "import pytest\n@pytest.mark.parametrize('n', [1, 2])\ndef test_x(n):\n    assert n == 0\n"


def same(text: str) -> str:
    """The text without the duration."""
    return re.sub(r"in [\d.]+s", "in Ns", text)


@pytest.mark.parametrize("how", ["option", "variable"])
async def test_the_command_prints_the_same_answer(stage: Stage, how: str) -> None:
    stage.reset()
    stage.add(BAD, "tests/test_bad.py")
    answer = await stage.agent.run()
    options = ["--reporter", "agent"] if how == "option" else []
    env = {"CLAUDECODE": "1"} if how == "variable" else {}
    told = lens(stage.world, "run", *options, cwd=stage.project.root, env=env)
    assert (told.status, told.err) == (1, "")
    assert same(told.out) == same(answer.text)


def test_another_form_that_was_asked_for_is_printed(stage: Stage) -> None:
    stage.reset()
    for options in (["--reporter", "terminal"], ["-v"], ["--json"]):
        told = lens(stage.world, "run", *options, cwd=stage.project.root, env={"AGENT": "x"})
        assert told.status == 0 and not told.out.startswith("PASSED"), told.out
    told = lens(
        stage.world, "run", "-q", "-k", "nothing", cwd=stage.project.root, env={"AGENT": "x"}
    )
    assert told.status == 5 and told.out.startswith("NO TESTS RAN: "), told
