"""No stale code: a host reports the files that it was made from, and compiled code is found by
content.
"""

from __future__ import annotations

import errno
import hashlib
import importlib
import os
from pathlib import Path
from types import CodeType
from typing import Any

import pytest
from conftest import Project, write
from fake_engine import Engine, Host, Message, run

pytestmark = pytest.mark.fresh

# By name: another check covers the package around it.
pyc: Any = importlib.import_module("pytest_lens.worker.session.code_cache")
Boot: Any = importlib.import_module("pytest_lens.worker.state").Boot


def collect(engine: Engine, base: Host, **options: Any) -> tuple[Host, Message]:
    host = engine.fork(base, "collected", **options)
    return host, host.wait("collected")


def files_of(message: Message, root: Path) -> dict[str, list[Any]]:
    """Return the reported files, those under the root by relative name."""
    return {os.path.relpath(stat[0], root): stat for stat in message["files"]}


READS = {
    "pytest.ini": "[pytest]\n",
    "conftest.py": """
    import json, pathlib, subprocess
    import helper
    data = json.loads(pathlib.Path("data/settings.json").read_text())
    listed = sorted(p.name for p in pathlib.Path("data").iterdir())
    try:
        open("local.env")
    except FileNotFoundError:
        pass
    with open("out.log", "w") as file:
        file.write("written")
    """,
    "helper.py": "import pkg.inner\nVALUE = 1\n",
    "pkg/__init__.py": "",
    "pkg/inner.py": "X = 1\n",
    "data/settings.json": '{"a": 1}',
    "sub/test_a.py": "import helper\ndef test_a(): open(__file__).read()\n",
    "unread.txt": "never",
}


def test_everything_read_is_told_with_its_hash(project: Project) -> None:
    engine = project(READS)
    base = engine.base()
    base.wait("ready")
    _, message = collect(engine, base)
    told = files_of(message, engine.root)
    wanted = {
        "pytest.ini",
        "conftest.py",
        "helper.py",
        "pkg/__init__.py",
        "pkg/inner.py",
        "data/settings.json",
        "sub/test_a.py",
    }
    assert {name for name in told if not name.startswith("..")} == wanted
    for name in wanted:
        path = engine.root / name
        stat = path.stat()
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        expected = [str(path), stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, digest]
        # Only between them: whether that was long enough ago to prove anything differs on busy
        # machines.
        assert [*told[name][:4], told[name][5]] == expected
        assert told[name][6:] == [stat.st_dev, stat.st_ino]
    dirs = {os.path.relpath(path, engine.root): names for path, *_, names in message["dirs"]}
    assert dirs["data"] == ["settings.json"]
    assert dirs["pkg"] == ["__init__.py", "inner.py"]
    assert dirs["sub"] == ["test_a.py"]
    assert "conftest.py" in dirs["."]
    assert [str(engine.root / "local.env"), "none"] in message["names"]
    mtimes = {path: mtime for path, mtime, *_ in message["dirs"]}
    assert mtimes[str(engine.root / "sub")] == (engine.root / "sub").stat().st_mtime_ns


def test_files_that_do_not_compile_are_told_too(project: Project) -> None:
    engine = project({"test_a.py": "def broken(:\n"})
    base = engine.base()
    base.wait("ready")
    _, message = collect(engine, base)
    assert files_of(message, engine.root)["test_a.py"][5] is not None


def test_sessions_tell_what_they_read(project: Project) -> None:
    engine = project(READS)
    base = engine.base()
    base.wait("ready")
    session = engine.fork(base, "session", args=["sub/test_a.py"])
    told = files_of(session.wait("runner_ready"), engine.root)
    assert {"helper.py", "sub/test_a.py", "data/settings.json"} <= set(told)


def test_installed_packages_are_told_by_stat_alone(project: Project) -> None:
    engine = project(
        {
            "venv/lib/site-packages/thing/__init__.py": "from . import part\n",
            "venv/lib/site-packages/thing/part.py": "",
            "editable/tool.py": "",
            "test_a.py": "import thing, tool\ndef test_a(): pass\n",
        }
    )
    root = engine.root
    path = f"{root}/venv/lib/site-packages:{root}/editable"
    base = engine.base(env={"PYTHONPATH": path})
    base.wait("ready")
    _, message = collect(engine, base, args=["test_a.py"])
    told = files_of(message, root)
    assert told["venv/lib/site-packages/thing/part.py"][5] is None
    assert told["editable/tool.py"][5] is not None
    assert "thing" in message["third_party"]
    assert "tool" not in message["third_party"]


def test_two_edits_of_one_size_within_a_second(project: Project) -> None:
    engine = project(
        {
            "value.py": "VALUE = 1\n",
            "test_a.py": "from value import VALUE\ndef test_a(): assert VALUE == 1\n",
        }
    )
    base = engine.base()
    base.wait("ready")
    name = "test_a.py::test_a"
    seen = []
    for text in ("VALUE = 1\n", "VALUE = 2\n", "VALUE = 3\n", "VALUE = 1\n"):
        path = engine.root / "value.py"
        path.write_text(text)
        os.utime(path, (1_600_000_000, 1_600_000_000))
        session = engine.fork(base, "session")
        seen.append(run(session, [name])[name].get("message", "passed").splitlines()[0])
    assert seen == ["passed", "assert 2 == 1", "assert 3 == 1", "passed"]


def test_two_edits_of_a_test_file_within_a_second(project: Project) -> None:
    engine = project({"test_a.py": "def test_a(): assert 1 == 0\n"})
    base = engine.base()
    base.wait("ready")
    name = "test_a.py::test_a"
    seen = []
    for number in (1, 2, 1):
        path = engine.root / "test_a.py"
        path.write_text(f"def test_a(): assert {number} == 0\n")
        os.utime(path, (1_600_000_000, 1_600_000_000))
        session = engine.fork(base, "session")
        seen.append(run(session, [name])[name]["message"].splitlines()[0])
    assert seen == ["assert 1 == 0", "assert 2 == 0", "assert 1 == 0"]


@pytest.mark.parametrize("kind", ["plain", "rewritten"])
def test_a_stale_pyc_in_the_repo_is_not_trusted(project: Project, kind: str) -> None:
    import py_compile

    engine = project({"test_a.py": "from value import V\ndef test_a(): assert V == 2\n"})
    path = engine.root / "value.py"
    path.write_text("V = 1\n")
    os.utime(path, (1_600_000_000, 1_600_000_000))
    py_compile.compile(str(path))
    path.write_text("V = 2\n")
    os.utime(path, (1_600_000_000, 1_600_000_000))
    arguments = ["--import-mode=importlib"] if kind == "rewritten" else []
    write(engine.root, {"conftest.py": "import sys; sys.path.insert(0, '.')"})
    base = engine.base()
    base.wait("ready")
    session = engine.fork(base, "session", arguments=arguments)
    name = "test_a.py::test_a"
    assert run(session, [name])[name]["outcome"] == "passed"


def test_damaged_cache_entries_are_made_anew(project: Project) -> None:
    engine = project({"helper.py": "V = 1", "test_a.py": "import helper\ndef test_a(): pass\n"})
    base = engine.base()
    base.wait("ready")
    name = "test_a.py::test_a"
    collect(engine, base)
    entries = [path for path in (engine.state / "cache" / "pyc").rglob("*") if path.is_file()]
    assert len(entries) == 2
    before = {path: path.read_bytes() for path in entries}
    for damage in (b"", b"short", os.urandom(4000)):
        for path in entries:
            path.write_bytes(damage)
        session = engine.fork(base, "session")
        assert run(session, [name])[name]["outcome"] == "passed"
        assert {path: path.read_bytes() for path in entries} == before


def test_an_unwritable_cache_does_no_harm(project: Project) -> None:
    engine = project({"test_a.py": "def test_a(): pass\n"})
    (engine.state / "cache" / "pyc").write_text("in the way")
    host = engine.collected()
    name = "test_a.py::test_a"
    assert run(engine.fork(host, "runner"), [name])[name]["outcome"] == "passed"


def test_own_loaders_are_left_alone_but_never_cached(project: Project) -> None:
    engine = project(
        {
            "conftest.py": """
            import importlib.machinery, importlib.util, sys

            class Loader(importlib.machinery.SourceFileLoader):
                def source_to_code(self, data, path, **kwargs):
                    return super().source_to_code(data.replace(b"ONE", b"1"), path)

            spec = importlib.util.spec_from_file_location(
                "special", "special.py", loader=Loader("special", "special.py"))
            special = importlib.util.module_from_spec(spec)
            sys.modules["special"] = special
            spec.loader.exec_module(special)
            """,
            "special.py": "V = ONE\n",
            "test_a.py": "import special\ndef test_a(): assert special.V == 1\n",
        }
    )
    host = engine.collected()
    name = "test_a.py::test_a"
    assert run(engine.fork(host, "runner"), [name])[name]["outcome"] == "passed"
    assert not list(engine.root.rglob("__pycache__"))


def test_what_was_imported_before_the_environment_changed_is_preloadable(project: Project) -> None:
    packages = {
        f"site-packages/{name}/__init__.py": "" for name in ("before", "within", "after", "marked")
    }
    engine = project(
        {
            **packages,
            "site-packages/within/__init__.py": "import os\nos.environ['OWN'] = '1'\n",
            "conftest.py": """
            import os
            import pytest
            pytest.register_assert_rewrite("marked")
            import before, marked, within
            os.environ["MODE"] = "test"
            import after
            """,
            "test_a.py": "def test_a(): pass\n",
        }
    )
    base = engine.base(env={"PYTHONPATH": str(engine.root / "site-packages")})
    base.wait("ready")
    _, message = collect(engine, base)
    ours = [name for name in message["third_party"] if name + "/__init__.py" in str(packages)]
    assert ours == ["before", "within"]


def test_preloaded_modules_are_told_by_the_base_and_stay_preloadable(project: Project) -> None:
    engine = project(
        {
            "site-packages/big/__init__.py": "from . import part\n",
            "site-packages/big/part.py": "",
            "test_a.py": "import big.part\ndef test_a(): pass\n",
        }
    )
    env = {"PYTHONPATH": str(engine.root / "site-packages")}
    base = engine.base(env=env)
    base.wait("ready")
    _, first = collect(engine, base)
    assert [name for name in first["third_party"] if name.startswith("big")] == ["big.part", "big"]
    second_base = engine.base(env=env, preload=first["third_party"])
    ready = second_base.wait("ready")
    assert ready["preloaded"] == first["third_party"]
    assert str(engine.root / "site-packages/big/part.py") in [stat[0] for stat in ready["files"]]
    host, second = collect(engine, second_base)
    assert second["third_party"] == first["third_party"]
    assert not [stat for stat in second["files"] if "site-packages/big" in stat[0]]
    name = "test_a.py::test_a"
    assert run(engine.fork(host, "runner"), [name])[name]["outcome"] == "passed"


def test_preloaded_plugins_have_their_asserts_rewritten(project: Project) -> None:
    engine = project(
        {
            "site-packages/pytest_thing.py": """
            import pytest
            @pytest.fixture
            def thing():
                value = [1]
                assert value == [2]
            """,
            "site-packages/pytest_thing-1.0.dist-info/METADATA": """
            Metadata-Version: 2.1
            Name: pytest-thing
            Version: 1.0
            """,
            "site-packages/pytest_thing-1.0.dist-info/entry_points.txt": """
            [pytest11]
            thing = pytest_thing
            """,
            "site-packages/pytest_thing-1.0.dist-info/RECORD": "pytest_thing.py,,\n",
            "pytest.ini": "[pytest]\nfilterwarnings = error\n",
            "test_a.py": "def test_a(thing): pass\n",
        }
    )
    env = {"PYTHONPATH": str(engine.root / "site-packages")}
    base = engine.base(env=env)
    assert {"name": "pytest-thing", "version": "1.0"} in base.wait("ready")["plugins"]
    host, message = collect(engine, base)
    assert "pytest_thing" in message["third_party"]
    preloaded = engine.base(env=env, preload=message["third_party"])
    assert "pytest_thing" in preloaded.wait("ready")["preloaded"]
    again, _ = collect(engine, preloaded)
    for one in (host, again):
        verdict = run(engine.fork(one, "runner"), ["test_a.py::test_a"])["test_a.py::test_a"]
        assert (verdict["outcome"], verdict["phase"]) == ("error", "setup")
        assert verdict["message"].startswith("assert [1] == [2]")


def test_r19_the_cache_keeps_few_versions_of_one_file(tmp_path: Path) -> None:
    cache = pyc.Cache(Boot("", "", "", str(tmp_path), str(tmp_path / "cache"), str(tmp_path)))
    source = tmp_path / "a.py"
    compiled = []

    def build(text: bytes) -> CodeType:
        compiled.append(text)
        return compile(text, "a.py", "exec")

    old = os.umask(0)
    try:
        for number in range(40):
            source.write_text(f"x = {number}")
            cache.code(str(source), "plain", build)
    finally:
        os.umask(old)
    cache.code(str(source), "plain", build)
    assert len(compiled) == 40
    entries = list((tmp_path / "cache" / "pyc").rglob("*"))
    files = [path for path in entries if path.is_file()]
    assert len(files) <= 8
    # R5: whatever the umask.
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert {path.stat().st_mode & 0o777 for path in entries if path.is_dir()} == {0o700}


def test_r16_a_full_disk_leaves_nothing_in_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = pyc.Cache(Boot("", "", "", str(tmp_path), str(tmp_path / "cache"), str(tmp_path)))
    (tmp_path / "a.py").write_text("x = 1")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pyc.os, "replace", full)
    code = cache.code(str(tmp_path / "a.py"), "plain", lambda text: compile(text, "a.py", "exec"))
    assert code.co_filename == "a.py"
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


def test_r19_what_is_used_stays_young_and_that_is_no_effect(project: Project) -> None:
    engine = project(
        {"low.py": "", "conftest.py": "import low\n", "test_a.py": "def test_a(): pass\n"}
    )
    engine.collected()
    folder = engine.state / "cache" / "pyc"
    entries = [path for path in folder.rglob("*") if path.is_file()]
    for entry in entries:
        os.utime(entry, (1, 1))
    base = engine.base()
    base.wait("ready")
    assert engine.fork(base, "collected").wait("collected")["reasons"] == []
    assert len(entries) == 3
    assert all(entry.stat().st_mtime > 1 for entry in entries)
