"""Errors of collection, refusals, and messages about the session as a whole."""

from __future__ import annotations

import pytest
from conftest import Project
from fake_engine import Message, run

BAD = {
    "helper.py": "import no_such_module_anywhere",
    "syntax_helper.py": "def x(:\n    pass",
    "test_good.py": "def test_good(): pass",
    "test_import.py": "import os\nimport helper\n",
    "test_missing.py": "import os\n\nfrom os import no_such_name\n",
    "test_raises.py": "x = 1\n\n\ndef f():\n    raise ValueError('at import')\n\nf()\n",
    "test_syntax.py": "def test_a():\n    pass\n\ndef test_b(:\n    pass\n",
    "test_mute.py": "class Mute(Exception):\n    __str__ = lambda self: 1 / 0\nraise Mute\n",
    "test_other_syntax.py": "import syntax_helper\n",
    "test_fixture.py": "import pytest\n@pytest.mark.parametrize('x', 3)\ndef test_p(x): pass\n",
    "test_skipped.py": "import pytest\npytest.skip('all of it', allow_module_level=True)\n",
}
DEEP = {
    "deep/conftest.py": "x = 1\nraise RuntimeError('conftest broke')\n",
    "deep/test_deep.py": "def test_deep(): pass",
}


@pytest.mark.parametrize(
    "files",
    [
        {"test_a.py": "import pytest\n\n@pytest.mark.parametrize('z', [1])\ndef test(): pass\n"},
        {
            "conftest.py": "def pytest_generate_tests(metafunc):\n    1 / 0\n",
            "test_a.py": "import os\n\ndef test(): pass\n",
        },
    ],
    ids=["argument", "hook"],
)
def test_a_wrong_parametrization_is_at_its_function(
    project: Project, files: dict[str, str]
) -> None:
    engine = project(files)
    base = engine.base()
    base.wait("ready")
    [error] = engine.fork(base, "collected").wait("collected")["errors"]
    assert (error["path"], error["line"]) == ("test_a.py", 3)


@pytest.mark.core
def test_each_broken_file_has_its_error_and_the_rest_is_there(project: Project) -> None:
    engine = project(BAD)
    base = engine.base()
    base.wait("ready")
    host = engine.fork(base, "collected")
    collected = host.wait("collected")
    errors = {error["path"]: error for error in collected["errors"]}
    found = {
        path: (error["line"], error["message"].splitlines()[0]) for path, error in errors.items()
    }
    parametrize = found.pop("test_fixture.py")
    assert found == {
        "test_import.py": (
            2,
            "ModuleNotFoundError: No module named 'no_such_module_anywhere'",
        ),
        "test_missing.py": (3, found["test_missing.py"][1]),
        "test_raises.py": (5, "ValueError: at import"),
        "test_mute.py": (3, "Mute: (no text: its __str__ raises ZeroDivisionError)"),
        "test_syntax.py": (4, found["test_syntax.py"][1]),
        "test_other_syntax.py": (1, found["test_other_syntax.py"][1]),
    }
    assert found["test_missing.py"][1].startswith("ImportError: cannot import name 'no_such_name'")
    assert found["test_syntax.py"][1].startswith("SyntaxError: ")
    assert found["test_other_syntax.py"][1].startswith("SyntaxError: ")
    assert "TypeError" in parametrize[1] or "ValueError" in parametrize[1]
    assert parametrize[0] == 2
    assert all(error["longrepr"] for error in errors.values())
    assert [node["id"] for node in host.nodes()] == ["test_good.py::test_good"]
    assert (collected["count"], collected["exitstatus"]) == (1, 2)
    # The collected tests still run.
    verdicts = run(engine.fork(host, "runner"), ["test_good.py::test_good"])
    assert verdicts["test_good.py::test_good"]["outcome"] == "passed"


def test_f2_a_file_that_does_not_parse_has_its_caret(project: Project) -> None:
    engine = project(
        {"test_syntax.py": "def f(:\n    pass\n", "test_import.py": BAD["test_missing.py"]}
    )
    base = engine.base()
    base.wait("ready")
    host = engine.fork(base, "collected")
    errors = {error["path"]: error["longrepr"] for error in host.wait("collected")["errors"]}
    lines = errors["test_syntax.py"].splitlines()
    at = next(index for index, line in enumerate(lines) if line.endswith("def f(:"))
    assert lines[at + 1].strip("E ") == "^"
    assert lines[-1].startswith("E   SyntaxError: ")
    assert all(line.startswith("E") for line in lines), "no frames of who read it"
    assert "_pytest_lens_worker" not in errors["test_import.py"]
    assert "test_import.py:3: in <module>" in errors["test_import.py"]


def test_a_broken_conftest_further_down(project: Project) -> None:
    engine = project({**DEEP, "test_good.py": "def test_good(): pass"})
    base = engine.base()
    base.wait("ready")
    host = engine.fork(base, "collected")
    (error,) = host.wait("collected")["errors"]
    assert (error["path"], error["line"]) == ("deep/conftest.py", 2)
    assert error["message"] == "RuntimeError: conftest broke"
    if int(pytest.__version__.split(".")[0]) >= 8:  # before, pytest gives up there
        assert [node["id"] for node in host.nodes()] == ["test_good.py::test_good"]


def test_a_session_tells_its_errors_too(project: Project) -> None:
    engine = project(BAD)
    base = engine.base()
    base.wait("ready")
    session = engine.fork(base, "session", args=["test_good.py", "test_syntax.py", "test_gone.py"])
    ready = session.wait("runner_ready")
    assert ready["count"] == 1
    assert {(error["path"], error["line"]) for error in ready["errors"]} == {
        ("test_syntax.py", 4),
        ("test_gone.py", None),
    }


def usage_error(project: Project, files: dict[str, str], **options: list[str]) -> Message:
    engine = project(files)
    base = engine.base()
    base.wait("ready")
    host = engine.fork(base, "collected", **options)
    message = host.wait("usage_error")
    host.wait("bye")
    base.wait("exited", host=host.name)
    return message


@pytest.mark.parametrize(
    ("files", "options", "words"),
    [
        (
            {"conftest.py": "import os\n\nraise KeyError('nothing')\n"},
            {},
            ["conftest.py:3", "KeyError: 'nothing'"],
        ),
        ({"conftest.py": "def broken(:\n"}, {}, ["conftest.py:1", "SyntaxError"]),
        ({"conftest.py": "import sys\nsys.exit('enough')\n"}, {}, ["SystemExit: enough"]),
        ({"pytest.ini": "[pytest]\naddopts = --no-such-option\n"}, {}, ["--no-such-option"]),
        ({"pytest.ini": "[pytest\n"}, {}, ["pytest.ini"]),
        ({"pytest.ini": "[pytest]\nminversion = 99\n"}, {}, ["99"]),
        ({"pytest.ini": "[pytest]\nrequired_plugins = nope>1\n"}, {}, ["nope"]),
        ({"test_a.py": ""}, {"args": ["gone.py"]}, ["not found", "gone.py"]),
        ({"test_a.py": ""}, {"args": ["test_a.py::test_gone"]}, ["not found", "test_gone"]),
        ({"test_a.py": ""}, {"arguments": ["--pdb"]}, ["--pdb"]),
        ({"test_a.py": ""}, {"arguments": ["--trace"]}, ["--trace"]),
        ({"test_a.py": ""}, {"arguments": ["--collect-only"]}, ["--collect-only"]),
        ({"test_a.py": ""}, {"arguments": ["--co"]}, ["--co"]),
        ({"test_a.py": ""}, {"arguments": ["--nonsense"]}, ["--nonsense"]),
        ({"test_a.py": ""}, {"arguments": ["--fixtures"]}, ["--fixtures"]),
        ({"test_a.py": ""}, {"arguments": ["--version"]}, ["--version"]),
        ({"test_a.py": ""}, {"arguments": ["-p", "gone_plugin"]}, ["gone_plugin"]),
        (
            {"conftest.py": "import pytest\ndef pytest_configure(): pytest.exit('closed')"},
            {},
            ["closed"],
        ),
    ],
)
def test_refusals_name_the_culprit(
    project: Project, files: dict[str, str], options: dict[str, list[str]], words: list[str]
) -> None:
    message = usage_error(project, files, **options)["message"]
    assert [word for word in words if word not in message] == [], message


def test_a_broken_first_conftest_has_its_place(project: Project) -> None:
    message = usage_error(project, {"tests/conftest.py": "x = 1\nx.y\n"}, args=["tests"])
    assert (message["path"], message["line"]) == ("tests/conftest.py", 2)


@pytest.mark.core
def test_files_are_named_before_their_code_runs(project: Project) -> None:
    engine = project({"conftest.py": "", "sub/test_a.py": "import os; os._exit(4)"})
    base = engine.base()
    base.wait("ready")
    host = engine.fork(base, "collected")
    base.wait("exited", host=host.name)
    host.wait_closed()
    assert [m["path"] for m in host.all("importing")] == ["conftest.py", "sub/test_a.py"]
    assert [m.get("within") for m in host.all("importing")] == [None, "sub/test_a.py"]


CRASHES = {
    "conftest.py": "",
    "helper.py": "import os\nopen('data.txt').close()\nos._exit(4)",
    "sound.py": "",
    "test_a.py": "import test_sound\nimport sound\nimport helper\ndef test_a(): pass",
    "test_b.py": "try:\n    import helper\nexcept BaseException: pass\ndef test_b(): pass",
    "test_dies.py": "import sound\nimport os\nos.abort()",
    "test_sound.py": "def test_sound(): pass",
    "data.txt": "",
}


def test_the_innermost_file_is_told_if_crashes_are_known(project: Project) -> None:
    engine = project(CRASHES)
    base = engine.base()
    base.wait("ready")
    host = engine.fork(base, "collected", crashed=[])
    base.wait("exited", host=host.name)
    host.wait_closed()
    last = host.all("importing")[-1]
    assert (last["path"], last["within"]) == ("helper.py", "test_a.py")
    assert [m["path"] for m in host.all("opened")] == [str(engine.root / "data.txt")]


def test_a_file_that_crashes_is_an_error_of_those_that_need_it(project: Project) -> None:
    engine = project(CRASHES)
    base = engine.base()
    base.wait("ready")
    crashed = [
        {"path": "helper.py", "message": "helper ends", "kind": "ended"},
        {"path": "test_dies.py", "message": "test_dies takes too long", "kind": "timed_out"},
    ]
    host = engine.fork(base, "collected", crashed=crashed)
    collected = host.wait("collected")
    assert [(e["path"], e["line"], e["message"], e["crash"]) for e in collected["errors"]] == [
        ("test_a.py", 3, "helper ends", "ended"),
        ("test_b.py", None, "helper ends", "ended"),
        ("test_dies.py", None, "test_dies takes too long", "timed_out"),
    ]
    assert [node["id"] for node in host.nodes()] == ["test_sound.py::test_sound"]
    assert collected["reasons"] == []


def test_a_crash_after_the_last_file_is_no_file_s(project: Project) -> None:
    hook = "import os\ndef pytest_collection_modifyitems():\n    os._exit(4)"
    engine = project({"conftest.py": hook, "test_a.py": "def test_a(): pass"})
    base = engine.base()
    base.wait("ready")
    host = engine.fork(base, "collected", crashed=[])
    base.wait("exited", host=host.name)
    host.wait_closed()
    assert host.all("importing")[-1] == {"t": "importing"}


def test_errors_of_hooks_are_told(project: Project) -> None:
    engine = project(
        {
            "conftest.py": """
            def pytest_collection_modifyitems(items):
                raise RuntimeError("plugin bug")
            """,
            "test_a.py": "def test_a(): pass",
        }
    )
    base = engine.base()
    base.wait("ready")
    host = engine.fork(base, "collected")
    told = host.wait("usage_error")
    assert told["message"] == "conftest.py:2: RuntimeError: plugin bug"
    host.wait("bye")


def test_facts_about_the_session(project: Project) -> None:
    engine = project(
        {
            "pytest.ini": "[pytest]\naddopts = -k 'not b' --pdb --co\n",
            "test_a.py": "def test_a(): pass\ndef test_b(): pass",
        }
    )
    base = engine.base()
    base.wait("ready")
    host = engine.fork(base, "collected")
    collected = host.wait("collected")
    assert (collected["count"], collected["deselected"]) == (1, 1)
    assert collected["rootdir"] == str(engine.root)
    assert collected["inifile"] == str(engine.root / "pytest.ini")
    assert collected["exitstatus"] == 0
    assert collected["duration_ms"] > 0
    # --pdb and --co come from the configuration: they are not meant for the engine, and do no harm.
    verdicts = run(engine.fork(host, "runner"), ["test_a.py::test_a"])
    assert verdicts["test_a.py::test_a"]["outcome"] == "passed"


def test_nothing_collected(project: Project) -> None:
    engine = project({"readme.txt": "nothing"})
    base = engine.base()
    base.wait("ready")
    host = engine.fork(base, "collected")
    collected = host.wait("collected")
    assert (collected["count"], collected["exitstatus"], collected["inifile"]) == (0, 5, None)


def test_no_terminal_output(project: Project) -> None:
    engine = project(
        {
            "pytest.ini": "[pytest]\nlog_cli = true\nlog_cli_level = INFO\n",
            "test_a.py": "import logging\ndef test_a(): logging.warning('careful'); assert 0",
        }
    )
    base = engine.base()
    base.wait("ready")
    session = engine.become(base, "session")
    verdict = run(session, ["test_a.py::test_a"])["test_a.py::test_a"]
    assert "careful" in verdict["log"]
    session.wait("bye")
    engine.processes[0].wait(10)
    assert engine.output(base) == ""


def test_uncaptured_output_goes_to_the_real_descriptors(project: Project) -> None:
    engine = project({"test_a.py": "import os\ndef test_a(): print('seen'); os.write(2, b'too')"})
    base = engine.base()
    base.wait("ready")
    session = engine.become(base, "session", arguments=["-s"])
    verdict = run(session, ["test_a.py::test_a"])["test_a.py::test_a"]
    assert "stdout" not in verdict
    session.wait("bye")
    engine.processes[0].wait(10)
    assert sorted(engine.output(base).split("\n")) in (["", "tooseen"], ["seen", "too"])
