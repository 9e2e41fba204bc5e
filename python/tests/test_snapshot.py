"""Everything that a session depends on is reported: files that it read in any way, and paths that
it asked for.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from typing import Any

import pytest
from conftest import Project, write
from fake_engine import Engine, Message

pytestmark = pytest.mark.fresh

TEST = "def test_a(): pass\n"


def told(project: Project, files: dict[str, str], *dirs: str) -> tuple[Engine, Message]:
    engine = project({"test_a.py": TEST, **files})
    for name in dirs:
        (engine.root / name).mkdir(parents=True, exist_ok=True)
    return engine, collect(engine)


def collect(engine: Engine, **options: Any) -> Message:
    base = engine.base()
    base.wait("ready")
    return engine.fork(base, "collected", **options).wait("collected")


def looks(engine: Engine, message: Message) -> dict[str, str]:
    return {os.path.relpath(path, engine.root): kind for path, kind in message["names"]}


def files(engine: Engine, message: Message) -> dict[str, list[Any]]:
    return {os.path.relpath(stat[0], engine.root): stat for stat in message["files"]}


ASKS = {
    "open": "open('deep/{0}')",
    "exists": "os.path.exists('deep/{0}')",
    "isfile": "os.path.isfile('deep/{0}')",
    "path": "pathlib.Path('deep', '{0}').exists()",
    "path-stat": "pathlib.Path('deep', '{0}').stat()",
    "getsize": "os.path.getsize('deep/{0}')",
    "access": "os.access('deep/{0}', os.R_OK)",
    "low-level": "os.open('deep/{0}', os.O_RDONLY)",
    "folder": "os.open('{0}', os.O_RDONLY, dir_fd=os.open('deep', os.O_RDONLY))",
    "listing": "os.listdir('deep/{0}')",
    "sqlite": "sqlite3.connect('file:deep/{0}?mode=ro', uri=True).execute('select 1 from a')",
    "program": "subprocess.run(['cat', '{0}'], cwd='deep')",
}


@pytest.mark.parametrize("how", [how for how in ASKS if how != "program"])
def test_p14_names_looked_for_and_missing_are_told(project: Project, how: str) -> None:
    text = f"import os, pathlib, sqlite3\ntry: {ASKS[how].format('.env')}\nexcept Exception: pass\n"
    engine, message = told(project, {"conftest.py": text}, "deep")
    assert looks(engine, message)["deep/.env"] == "none"


@pytest.mark.parametrize(
    "how", ["getsize", "path-stat", "access", "low-level", "folder", "program", "sqlite"]
)
def test_r9_data_is_told_however_it_is_read(project: Project, how: str) -> None:
    text = f"import os, pathlib, sqlite3, subprocess\n{ASKS[how].format('data')}\n"
    engine = project({"test_a.py": TEST, "conftest.py": text})
    (engine.root / "deep").mkdir()
    with sqlite3.connect(engine.root / "deep/data") as database:
        database.execute("create table a (b)")
    database.close()
    stat = files(engine, collect(engine))["deep/data"]
    seen = (engine.root / "deep/data").stat()
    assert stat[1:4] == [seen.st_mtime_ns, seen.st_ctime_ns, seen.st_size]
    assert stat[6:] == [seen.st_dev, seen.st_ino]
    is_read = how in ("low-level", "folder", "program", "sqlite")
    assert (stat[5] is not None) == is_read


@pytest.mark.parametrize("mode", ["r+", "rb+", "a+"])
def test_r9_data_opened_for_both_is_told_as_it_was_left(project: Project, mode: str) -> None:
    more = "b'x'" if "b" in mode else "'x'"
    text = f"with open('data', {mode!r}) as file: file.read(); file.write({more})\n"
    engine, message = told(project, {"conftest.py": text, "data": "text"})
    stat = files(engine, message)["data"]
    assert stat[3] == (engine.root / "data").stat().st_size == 5
    assert stat[5] is not None


def test_what_is_only_written_is_not_told(project: Project) -> None:
    text = "open('out', 'w').close(); open('log', 'a').close(); open('both', 'w+').close()\n"
    engine, message = told(project, {"conftest.py": text})
    assert not {"out", "log", "both"} & set(files(engine, message))


def test_a_file_that_is_only_there_may_change(project: Project) -> None:
    text = "import os\nassert os.path.isfile('data') and os.path.isdir('.sub')\n"
    engine, message = told(project, {"conftest.py": text, "data": ""}, ".sub")
    assert "data" not in files(engine, message)
    assert (looks(engine, message)["data"], looks(engine, message)[".sub"]) == ("file", "folder")


def test_r9_folders_that_the_project_lists_are_told_with_hidden_names(project: Project) -> None:
    text = "import pathlib\nlist(pathlib.Path('data').glob('*'))\n"
    engine, message = told(project, {"conftest.py": text, "data/.hidden": "", "data/.a.swp": ""})
    folders = {os.path.relpath(path, engine.root): rest for path, *rest in message["dirs"]}
    assert folders["data"][3:] == ["all", [".hidden"]]
    assert folders["."][3] == "shown"


def test_r9_names_outside_of_the_root_are_told(project: Project) -> None:
    engine = project({"lib/pkg/__init__.py": "", "test_b.py": TEST}, root="beside")
    beside = engine.root
    text = f"import sys\nsys.path.append({str(beside / 'lib')!r})\nimport pkg\n"
    text += "try: import pkg.missing\nexcept ImportError: pass\n"
    engine, message = told(project, {"conftest.py": text})
    folders = {path: rest[-1] for path, *rest in message["dirs"]}
    assert folders[str(beside / "lib")] == ["pkg"]
    assert folders[str(beside / "lib/pkg")] == ["__init__.py"]


def test_r9_configuration_above_the_root_that_may_come_is_told(project: Project) -> None:
    engine, message = told(project, {})
    missing = {path for path, kind in message["names"] if kind == "none"}
    above = engine.root.parent
    assert {str(above / name) for name in ("pytest.ini", "pyproject.toml", "setup.cfg")} <= missing


def test_r9_links_are_told_by_where_they_lead(project: Project) -> None:
    text = "import os\nassert os.path.islink('here') and os.readlink('here')\n"
    engine = project({"test_a.py": TEST, "conftest.py": text})
    (engine.root / "here").symlink_to("test_a.py")
    assert looks(engine, collect(engine))["here"] == "link test_a.py"


def test_r17_large_files_are_told_without_a_hash(project: Project) -> None:
    engine = project({"test_a.py": TEST, "conftest.py": "open('large', 'rb').read(10)\n"})
    with open(engine.root / "large", "wb") as file:
        file.truncate(6 << 30)
    stat = files(engine, collect(engine))["large"]
    assert (stat[3], stat[5]) == (6 << 30, None)
    assert stat[2] is not None, "its entry's time tells changes"


def test_functions_of_os_are_themselves_again_when_tests_run(project: Project) -> None:
    text = """
    import os, pathlib, posix, shutil

    names = ("stat", "lstat", "access", "open")
    during = [getattr(os, name) for name in names]

    def test_a(tmp_path):
        for name, kept in zip(names, during):
            assert getattr(os, name) is getattr(posix, name)
            assert kept.__name__ == name and kept.__module__ == "posix"
            assert kept not in os.supports_dir_fd
        (tmp_path / "a").write_text("x")
        shutil.copy2(tmp_path / "a", tmp_path / "b")
        assert during[0](tmp_path / "b").st_size == os.stat(str(tmp_path / "a")).st_size == 1
        fd = during[3](tmp_path, os.O_RDONLY)
        assert during[0]("b", dir_fd=fd).st_size == 1 and during[0](fd)
        assert pathlib.Path(tmp_path, "b").stat().st_size == 1
        assert not pathlib.Path(tmp_path, "c").exists()
        os.close(fd)

    def check_while_collecting():
        assert os.stat in os.supports_follow_symlinks and os.stat in os.supports_dir_fd
        assert os.path.exists(".") and not os.path.exists("\\0")
        shutil.copystat("test_a.py", "copy.py")

    open("copy.py", "w").close()
    check_while_collecting()
    """
    from fake_engine import run

    engine = project({"test_a.py": text})
    base = engine.base()
    base.wait("ready")
    host = engine.fork(base, "collected")
    assert host.wait("collected")["errors"] == []
    verdict = run(engine.fork(host, "runner"), ["test_a.py::test_a"])["test_a.py::test_a"]
    assert verdict["outcome"] == "passed", verdict


# The ground: the environment that a base reports


def test_a4_the_interpreter_and_its_environment_are_told(project: Project) -> None:
    engine = project({"test_a.py": TEST})
    ready = engine.base().wait("ready")
    stats = {stat[0]: stat for stat in ready["files"]}
    seen = os.stat(sys.executable)
    assert stats[ready["executable"]][6:] == [seen.st_dev, seen.st_ino]
    assert stats[os.path.join(ready["prefix"], "pyvenv.cfg")][5] is not None
    assert [str(engine.root / ".python-version"), "none"] in ready["names"]


def test_a2_installed_packages_are_told_by_their_folders(project: Project) -> None:
    path = "site-packages"
    thing = {f"{path}/thing/__init__.py": "from . import part\n", f"{path}/thing/part.py": ""}
    engine = project({**thing, f"{path}/a.pth": "../beside\nimport os\n"})
    base = engine.base(env={"PYTHONPATH": str(engine.root / path)}, preload=["thing"])
    ready = base.wait("ready")
    folders = {folder[0]: folder[4:] for folder in ready["dirs"]}
    assert folders[str(engine.root / path)] == ["installed", []]
    assert folders[str(engine.root / path / "thing")] == ["installed", []]
    stats = {stat[0]: stat for stat in ready["files"]}
    assert stats[str(engine.root / path / "thing/__init__.py")][2] is None
    assert stats[str(engine.root / path / "a.pth")][5] is not None
    assert [str(engine.root / "beside"), "none"] in ready["names"]


def test_r9_what_a_session_reads_in_installed_packages_is_told(project: Project) -> None:
    path = "site-packages"
    text = "import thing, pathlib\npathlib.Path(thing.__file__).with_name('data').read_text()\n"
    text += "try: import thing.part\nexcept ImportError: pass\n"
    engine = project(
        {f"{path}/thing/__init__.py": "", f"{path}/thing/data": "", "conftest.py": text}
    )
    write(engine.root, {"test_a.py": TEST})
    base = engine.base(env={"PYTHONPATH": str(engine.root / path)})
    base.wait("ready")
    message = engine.fork(base, "collected").wait("collected")
    assert f"{path}/thing/data" in files(engine, message)
    folders = {os.path.relpath(folder[0], engine.root): folder[4] for folder in message["dirs"]}
    assert folders[f"{path}/thing"] == "installed"
