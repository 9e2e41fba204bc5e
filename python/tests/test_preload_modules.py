"""Modules that a base imports in advance are invisible: a project sees the same as under plain
pytest.
"""

from __future__ import annotations

import pytest
from conftest import Project
from fake_engine import Engine, Host, Message, run

LIBRARY = {
    "site-packages/low.py": "LIMIT = 1\nOPTIONS = {}\nclass Config: size = 1\n"
    "def get(): return 1\n",
    "site-packages/high.py": "import low\nSEEN = (low.LIMIT, dict(low.OPTIONS), low.Config.size)\n"
    "VALUE = low.get()\n",
    "site-packages/both.py": "import high\nimport decimal\n",
    "site-packages/pack/__init__.py": "",
    "site-packages/pack/part.py": "import wave\n",
}
MODULES = ["low", "high", "both", "pack", "pack.part"]


def session(engine: Engine, **boot: object) -> tuple[Host, Message]:
    """A session over a base that has the library, up to its end of collection."""
    env = {"PYTHONPATH": str(engine.root / "site-packages")}
    base = engine.base(env=env, **{"preload": MODULES, **boot})
    assert base.wait("ready")["preloaded"]
    host = engine.fork(base, "collected")
    return host, host.wait("collected")


def outcomes(engine: Engine, host: Host) -> dict[str, str]:
    ids = [node["id"] for node in host.nodes()]
    verdicts = run(engine.fork(host, "runner"), ids)
    return {name.partition("::")[2]: told["outcome"] for name, told in verdicts.items()}


def passes(project: Project, files: dict[str, str], unfit: list[str] | None = None) -> None:
    engine = project({**LIBRARY, **files})
    host, collected = session(engine)
    assert collected["errors"] == []
    found = outcomes(engine, host)
    assert found and set(found.values()) == {"passed"}, host.all("finished")
    if unfit is not None:
        assert collected["unfit"] == unfit


def test_p5_an_import_is_lazy_and_comes_with_its_own(project: Project) -> None:
    passes(
        project,
        {
            "test_lazy.py": """
            import sys

            def test_nothing_is_there():
                assert not {"low", "high", "both", "pack", "pack.part", "wave"} & set(sys.modules)

            def test_a_package_comes_without_its_parts():
                import pack
                assert not hasattr(pack, "part")
                assert "pack.part" not in sys.modules
                import pack.part
                assert pack.part.__spec__.loader.__class__.__name__ == "SourceFileLoader"
                assert "wave" in sys.modules

            def test_what_is_needed_comes_along():
                import both
                assert sys.modules["high"] is both.high
                assert sys.modules["low"] is both.high.low

            def test_once_taken_out_it_is_made_anew(monkeypatch):
                import low
                monkeypatch.delitem(sys.modules, "low")
                import low as other
                assert other is not low
            """
        },
        unfit=[],
    )


@pytest.mark.parametrize(
    ("conftest", "test"),
    [
        (
            "import sys, types\nstub = types.ModuleType('low')\n"
            "stub.LIMIT, stub.OPTIONS, stub.Config = 7, {}, type('C', (), {'size': 1})\n"
            "stub.get = lambda: 8\nsys.modules['low'] = stub",
            "assert (high.VALUE, high.SEEN[0]) == (8, 7)",
        ),
        ("import low\nlow.LIMIT = 7", "assert high.SEEN[0] == 7"),
        ("import low\nlow.OPTIONS['a'] = 7", "assert high.SEEN[1] == {'a': 7}"),
        ("import low\nlow.Config.size = 7", "assert high.SEEN[2] == 7"),
        ("import low\nlow.get = lambda: 7", "assert high.VALUE == 7"),
        (
            "from unittest import mock\np = mock.patch('low.get', lambda: 7).start()",
            "assert high.VALUE == 7",
        ),
        (
            "import low\ndef pytest_configure(config): low.LIMIT = 7",
            "assert high.SEEN[0] == 7",
        ),
        (
            "import sys, os\nsys.path.insert(0, os.path.join(os.path.dirname(__file__), 'vendor'))",
            "assert high.VALUE == 9",
        ),
    ],
    ids=["stub", "setting", "item", "attribute", "function", "mock", "hook", "vendored"],
)
def test_p5_what_conftest_did_before_an_import_counts(
    project: Project, conftest: str, test: str
) -> None:
    passes(
        project,
        {
            "conftest.py": conftest,
            "vendor/low.py": LIBRARY["site-packages/low.py"].replace("return 1", "return 9"),
            "test_it.py": f"import high\ndef test_it(): {test}",
        },
        unfit=["high"],
    )


def test_p5_a_vendored_package_is_found_first(project: Project) -> None:
    passes(
        project,
        {
            "conftest.py": "import sys\nsys.path.insert(0, 'vendor')",
            "vendor/high.py": "VALUE = 'vendored'",
            "test_it.py": "import high\ndef test_it(): assert high.VALUE == 'vendored'",
        },
    )


@pytest.mark.parametrize(
    "line", ["sys.modules['low'] = None", "import low\nsys.modules.pop('low')"]
)
def test_p5_what_is_blocked_or_taken_out_is_so(project: Project, line: str) -> None:
    blocked = "None" in line
    passes(
        project,
        {
            "conftest.py": f"import sys\n{line}",
            "test_it.py": f"""
            import pytest
            def test_it():
                if {blocked}:
                    with pytest.raises(ImportError):
                        import high
                else:
                    import high
                    import low
                    assert high.low is low
            """,
        },
    )


def test_p5_a_helper_registered_for_rewriting_is_rewritten(project: Project) -> None:
    passes(
        project,
        {
            "pytest.ini": "[pytest]\nfilterwarnings = error",
            "site-packages/helper.py": "def check(a, b): assert a == b\n",
            "conftest.py": "import pytest\npytest.register_assert_rewrite('low', 'high', 'helper')",
            "test_it.py": """
            import high, pytest
            from helper import check
            def test_it():
                with pytest.raises(AssertionError, match="assert 1 == 2"):
                    check(1, 2)
            """,
        },
    )


def test_p5_variables_that_an_import_reads_are_as_they_are_then(project: Project) -> None:
    files = {
        "site-packages/reader.py": "import os\nMODE = os.environ.get('MODE', 'none')\n",
        "site-packages/setter.py": "import os\nos.environ['SET_BY'] = 'setter'\n",
        "conftest.py": "import os\nos.environ['MODE'] = 'tests'",
        "test_it.py": """
        import os
        import low
        assert "SET_BY" not in os.environ
        import reader
        def test_it():
            assert reader.MODE == "tests"
            assert "SET_BY" not in os.environ
            import setter
            assert os.environ["SET_BY"] == "setter"
        """,
    }
    engine = project({**LIBRARY, **files})
    host, collected = session(engine, preload=["low", "reader", "setter"])
    assert collected["unfit"] == ["reader"]
    assert outcomes(engine, host) == {"test_it": "passed"}
    host, collected = session(engine, preload=["low", "reader", "setter"], unsafe=["reader"])
    assert collected["unfit"] == []
    assert outcomes(engine, host) == {"test_it": "passed"}


def test_p5_a_warning_at_import_is_an_error_where_the_project_says_so(project: Project) -> None:
    engine = project(
        {
            "site-packages/loud.py": "import warnings\nwarnings.warn('old', DeprecationWarning)\n",
            "pytest.ini": "[pytest]\nfilterwarnings = error",
            "test_it.py": "import loud\ndef test_it(): pass",
        }
    )
    (error,) = session(engine, preload=["loud"])[1]["errors"]
    assert error["message"] == "DeprecationWarning: old"


def test_p5_generators_of_libraries_differ_from_session_to_session(project: Project) -> None:
    engine = project(
        {
            "site-packages/faker.py": "import random\ngenerator = random.Random()\n"
            "fixed = random.Random(5)\n",
            "test_it.py": "import faker\ndef test_it(): "
            "print(faker.generator.random(), faker.fixed.random())",
        }
    )
    env = {"PYTHONPATH": str(engine.root / "site-packages")}
    base = engine.base(env=env, preload=["faker"])
    base.wait("ready")
    seen = []
    for _ in range(2):
        runner = engine.fork(base, "session")
        verdict = run(runner, ["test_it.py::test_it"])["test_it.py::test_it"]
        seen.append(verdict["stdout"].split())
    assert seen[0][0] != seen[1][0]
    assert seen[0][1] == seen[1][1]


def test_p5_exit_handlers_of_libraries_run_where_they_are_imported(project: Project) -> None:
    engine = project(
        {
            "site-packages/closing.py": "import atexit, os\n"
            "atexit.register(lambda: os.write(2, b'closed'))\n",
            "test_it.py": "import closing\ndef test_it(): pass",
        }
    )
    env = {"PYTHONPATH": str(engine.root / "site-packages")}
    base = engine.base(env=env, preload=["closing"])
    base.wait("ready")
    runner = engine.fork(base, "session")
    run(runner, ["test_it.py::test_it"])
    runner.wait_closed()
    assert engine.output(base).count("closed") == 1
