"""A cache of the project's compiled code, outside the repo, by content and never by time.

Python trusts a `.pyc` whose source has the same size and mtime to the second, so two quick edits
can bring back old code; and it writes into the repo. Instead of touching `sys.pycache_prefix` or
`sys.dont_write_bytecode`, which tests can see, the one method by which source files become code
is replaced, for the project's files only. pytest's assertion rewriting has a cache of its own;
the session's hook gets the same method.
"""

from __future__ import annotations

import ast
import contextlib
import importlib.machinery
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, Callable

import pytest

from .. import site_paths
from ..preload import hidden_modules
from ..state import Boot
from ..unpatched import hashlib, marshal, os, tempfile, time
from ..watching.snapshot import Snapshot
from . import hypothesis_database, program_arguments, xdist_worker

_DIGEST = 32
# How many versions of a file are kept: users undo edits and switch branches.
_VERSIONS = 8
_DAY = 24 * 60 * 60


class Cache:
    """Code objects by source, path and compiler."""

    def __init__(
        self,
        boot: Boot,
        snapshot: Snapshot | None = None,
        begin: Callable[[str], None] = lambda path: None,
        end: Callable[[], None] = lambda: None,
    ) -> None:
        # Called around the code of a module that pytest rewrites.
        self.begin, self.end = begin, end
        self._snapshot = snapshot
        self.root = boot.cache_dir
        self._dir = os.path.join(boot.cache_dir, "pyc")
        self._temporary = (boot.tmp_dir, tempfile.gettempdir())
        self._salt = b"\0".join(
            (
                importlib.util.MAGIC_NUMBER,
                str(sys.implementation.cache_tag).encode(),
                str(sys.flags.optimize).encode(),
            )
        )

    def covers(self, path: str) -> bool:
        """Whether a source file is the project's, and not one that a test wrote."""
        if not site_paths.is_project(path):
            return False
        collecting = self._snapshot is not None and self._snapshot.is_recording
        return collecting or not site_paths.is_temporary(path, *self._temporary)

    def code(self, path: str, variant: str, build: Callable[[bytes], CodeType]) -> CodeType:
        """The code of the file at `path` as it is now, from the cache or from `build`."""
        source = self._read(path)
        key = b"\0".join((self._salt, variant.encode(), os.fsencode(path)))
        name = hashlib.sha256(key).hexdigest()
        content = hashlib.sha256(key + b"\0" + source).hexdigest()
        entry = os.path.join(self._dir, name[:2], name[2:], content)
        code = self._load(entry)
        if code is None:
            code = build(source)
            self._store(entry, code)
        hidden_modules.executing(code)
        if site_paths.is_project(path):  # pytest rewrites installed plugins, too
            program_arguments.note(code)
            xdist_worker.note(source)
        return code

    def _read(self, path: str) -> bytes:
        snapshot = self._snapshot
        if snapshot is None:
            with open(path, "rb") as file:
                return file.read()
        with snapshot.reading_ourselves():
            stat = os.stat(path)
            with open(path, "rb") as file:
                source = file.read()
        snapshot.note_source(path, stat, hashlib.sha256(source).hexdigest())
        return source

    @staticmethod
    def _load(entry: str) -> CodeType | None:
        try:
            with open(entry, "rb") as file:
                digest, data = file.read(_DIGEST), file.read()
                if time.time() - os.fstat(file.fileno()).st_mtime > _DAY:
                    os.utime(entry)  # the engine removes what has not been used for long
            # marshal may crash on damaged data: check before.
            if hashlib.sha256(data).digest() != digest:
                return None
            code = marshal.loads(data)
        except (OSError, ValueError, EOFError, TypeError):
            return None
        return code if isinstance(code, CodeType) else None

    @staticmethod
    def _store(entry: str, code: CodeType) -> None:
        temporary = f"{entry}.{os.getpid()}"
        try:
            data = marshal.dumps(code)
            _make_folder(os.path.dirname(entry))
            number = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with open(number, "wb") as file:
                file.write(hashlib.sha256(data).digest() + data)
            os.replace(temporary, entry)
            _prune(os.path.dirname(entry))
        except (OSError, ValueError):
            with contextlib.suppress(OSError):  # no room for it: nor for a part of it
                os.remove(temporary)


def _make_folder(path: str) -> None:
    """Make private folders, with any umask; `os.makedirs` gives its mode to the last one only."""
    if not os.path.isdir(path):
        _make_folder(os.path.dirname(path))
        with contextlib.suppress(FileExistsError):
            os.mkdir(path, 0o700)


def _prune(folder: str) -> None:
    """Keep the last versions of one file: each save of it makes another."""
    entries = [os.path.join(folder, name) for name in os.listdir(folder)]
    if len(entries) > _VERSIONS:
        entries.sort(key=os.path.getmtime)
        for entry in entries[:-_VERSIONS]:
            os.remove(entry)


@contextlib.contextmanager
def installed(cache: Cache) -> Iterator[None]:
    """Use the cache in this process from now on: imports go on while tests run."""
    _replace_loading(cache)
    with _rewriting_through(cache):
        yield


def _replace_loading(cache: Cache) -> None:
    loader: Any = importlib.machinery.SourceFileLoader
    original = loader.get_code

    def get_code(self: Any, fullname: str) -> CodeType | None:
        path = self.path
        if not isinstance(path, str) or not cache.covers(os.path.abspath(path)):
            code: CodeType | None = original(self, fullname)
            if fullname == hypothesis_database.CONFIGURATION and code is not None:
                code = hypothesis_database.redirected(code, cache.root)
            return code
        if type(self) is loader:
            return cache.code(path, "plain", lambda source: self.source_to_code(source, path))
        # Another loader: the cache must not keep what it compiles, nor trust its pyc.
        built: CodeType = self.source_to_code(self.get_data(path), path)
        return built

    loader.get_code = get_code


@contextlib.contextmanager
def _rewriting_through(cache: Cache) -> Iterator[None]:
    """Get the session's rewriting hook when pytest installs it, before it loads any plugin."""
    import _pytest.assertion as assertion

    original = assertion.install_importhook

    def install_importhook(config: Any) -> Any:
        assertion.install_importhook = original
        hook: Any = original(config)
        hook.exec_module = executor(hook, config, cache)
        if hidden_modules.current is not None:
            passing = bool(config.getini("enable_assertion_pass_hook"))
            hidden_modules.current.rewriting_with(hook, config.getini("python_files"), passing)
        return hook

    assertion.install_importhook = install_importhook
    try:
        yield
    finally:
        assertion.install_importhook = original


def executor(hook: Any, config: Any, cache: Cache) -> Callable[[ModuleType], None]:
    """An `exec_module` for pytest's rewriting hook that keeps its code in `cache`."""
    from _pytest.assertion.rewrite import rewrite_asserts

    def exec_module(module: ModuleType) -> None:
        __tracebackhide__ = True  # as pytest's own loader is hidden
        assert module.__spec__ is not None and module.__spec__.origin is not None
        path = module.__spec__.origin
        hook._rewritten_names[module.__name__] = Path(path)

        def build(source: bytes) -> CodeType:
            tree = ast.parse(source, filename=path)
            rewrite_asserts(tree, source, path, config)
            code: CodeType = compile(tree, path, "exec", dont_inherit=True)
            return code

        passing = config is not None and bool(config.getini("enable_assertion_pass_hook"))
        variant = f"pytest-{pytest.__version__}-{passing}"
        code = cache.code(path, variant, build)
        if module.__name__ == hypothesis_database.CONFIGURATION:
            code = hypothesis_database.redirected(code, cache.root)
        cache.begin(path)
        try:
            exec(code, module.__dict__)
        finally:
            cache.end()

    return exec_module
