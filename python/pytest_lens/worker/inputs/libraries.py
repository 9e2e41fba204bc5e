"""Code from outside of the project that this process has loaded: every test may depend on it.

Which test does is not known, since libraries are not traced. A version alone does not say what is
installed: people edit a library, install it again, or have it from a folder of `PYTHONPATH`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Callable

from .. import own_code, site_paths
from ..unpatched import os
from .named import file_of, is_module
from .unaudited import exists, is_file


class Libraries:
    """Finds the files of loaded libraries, and the folders where a module would be found."""

    def __init__(self, root: str, is_left: Callable[[str], bool]) -> None:
        """`root` ends with a separator; `is_left`: whether tests leave a file behind."""
        self._root = root
        self._is_left = is_left
        # The number of modules at the last look: most were loaded before this process was watched.
        self._modules = 0
        self._files: set[str] = set()
        self._paths: list[str] = []
        # Files and folders that were not looked at yet.
        self._new_files: list[str] = []
        self._new_paths: list[str] = []

    def loaded(self, file: object) -> None:
        """The code of a file is about to be executed."""
        if type(file) is str and file not in self._files:
            self._files.add(file)
            self._new_files.append(file)

    def searched(self, paths: object) -> None:
        """An import begins that looks for a module in these folders."""
        if paths != self._paths and isinstance(paths, list):
            earlier, self._paths = set(self._paths), list(paths)
            self._new_paths += [one for one in paths if type(one) is str and one not in earlier]

    def new(self) -> list[tuple[str, ...]]:
        """The inputs for what was loaded since the last call."""
        self.searched(sys.path)
        if len(sys.modules) != self._modules:
            modules = list(sys.modules.values())
            self._modules = len(modules)
            for module in filter(is_module, modules):
                for file in file_of(module):
                    self.loaded(file)
        files, self._new_files = self._new_files, []
        paths, self._new_paths = self._new_paths, []
        found: list[tuple[str, ...]] = [("library", path) for path in self._folders(paths)]
        for path in filter(None, map(self._library, files)):
            found.append(("library", os.path.dirname(path), os.path.basename(path)))
        return found

    def _folders(self, paths: list[str]) -> Iterator[str]:
        for path in paths:
            folder = os.path.abspath(path)
            is_own = own_code.FOLDER.startswith(os.path.join(folder, ""))
            if not is_own and self._counts(os.path.join(folder, "")):
                yield folder

    def _library(self, file: str) -> str | None:
        """The file, or the archive that holds it; None if it is no library's."""
        if file.startswith(own_code.FOLDER) or not os.path.isabs(file):
            return None
        path = os.path.abspath(file)
        while not exists(path) and os.path.dirname(path) != path:
            path = os.path.dirname(path)
        return path if is_file(path) and self._counts(path) else None

    def _counts(self, path: str) -> bool:
        """Whether a path is neither the project's nor the interpreter's."""
        is_outside = not path.startswith(self._root) or site_paths.is_third_party(path)
        return is_outside and not site_paths.is_stdlib(path) and not self._is_left(path)
