"""`python -m pytest_lens`: becomes the program `pytest-lens` that came with this package."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterator
from typing import NoReturn

_NAME = "pytest-lens" + (sysconfig.get_config_var("EXE") or "")


def _places() -> Iterator[str]:
    """The folders in which an installer may have put the program."""
    package = os.path.dirname(os.path.abspath(__file__))
    yield sysconfig.get_path("scripts")
    for scheme in sysconfig.get_scheme_names():
        if scheme.endswith("_user"):
            yield sysconfig.get_path("scripts", scheme)
    # `pip install --target` and `--prefix`.
    yield os.path.join(os.path.dirname(package), "bin")
    yield os.path.normpath(os.path.join(package, "..", "..", "..", "..", "bin"))


def main() -> NoReturn:
    """Become the program; its exit status is that of this process."""
    for place in _places():
        program = os.path.join(place, _NAME)
        if os.path.isfile(program):
            os.execv(program, [program, *sys.argv[1:]])
    sys.exit(
        f"pytest-lens: the program {_NAME} is not where this package was installed; run "
        f"`{sys.executable} -m pip install --force-reinstall pytest-lens`"
    )


if __name__ == "__main__":
    main()
