"""Tells apart files of the interpreter, of installed packages and of the project."""

from __future__ import annotations

import site
import sys
import sysconfig

from .unpatched import os

_PACKAGE_DIRS = ("site-packages", "dist-packages")


def _folders(names: list[str]) -> tuple[str, ...]:
    found: list[str] = []
    for name in names:
        for path in (os.path.abspath(name), os.path.realpath(name)):
            if path + os.sep not in found:
                found.append(path + os.sep)
    return tuple(found)


def _stdlib() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    return _folders([paths["stdlib"], paths["platstdlib"]])


_STDLIB = _stdlib()
_ROOT = os.path.join(os.getcwd(), "")


def is_cached_bytecode(path: str) -> bool:
    """Whether Python made this file of a source: the cache tag in its name shows it.

    Without a tag, as in `name.pyc`, it is a module whose source is not there.
    """
    return path.endswith(".pyc") and "." in os.path.basename(path)[: -len(".pyc")]


def package_dirs() -> list[str]:
    """The folders into which packages are installed, for this interpreter; some may not exist."""
    paths = sysconfig.get_paths()
    names = [paths["purelib"], paths["platlib"]]
    names += [path for path in sys.path if os.path.basename(path) in _PACKAGE_DIRS]
    if site.ENABLE_USER_SITE and site.USER_SITE:
        names.append(site.USER_SITE)
    return list(dict.fromkeys(names))


def is_third_party(path: str) -> bool:
    """Whether a file was installed with a package (also in a venv inside the project)."""
    if path.startswith(_ROOT):  # the project itself may live among installed packages
        path = path[len(_ROOT) - 1 :]
    return "/site-packages/" in path or "/dist-packages/" in path


def is_metadata(path: str) -> bool:
    """Whether a file says what an installed package is called, and which plugins it has."""
    return ".dist-info" + os.sep in path or ".egg-info" + os.sep in path


def is_stdlib(path: str) -> bool:
    """Whether a file belongs to the interpreter itself."""
    return path.startswith(_STDLIB) and not is_third_party(path) and not path.startswith(_ROOT)


def is_temporary(path: str, *folders: str) -> bool:
    """Whether a file was made by a test: below a temporary folder, but not below the root."""
    if path.startswith(_ROOT):
        return False
    return any(path.startswith(os.path.join(folder, "")) for folder in folders)


def is_project(path: str) -> bool:
    """Whether a file may be edited: not the interpreter's, not an installed package's."""
    return not is_third_party(path) and not is_stdlib(path)
