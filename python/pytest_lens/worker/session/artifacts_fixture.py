"""The fixture `lens_artifacts`: a folder for files that a test wants to show.

This module is a plugin of its own, so that pytest finds the fixture in it.
"""

from __future__ import annotations

import pathlib
from typing import Any

import pytest

# A function that returns the folder of the running test. Other providers of the fixture use it too.
ATTRIBUTE = "_lens_artifacts_folder"


@pytest.fixture
def lens_artifacts(request: Any, tmp_path_factory: Any) -> pathlib.Path:
    """A folder of this test's own; its files are kept and shown as the test's artifacts."""
    ask = getattr(request.config, ATTRIBUTE, None)
    folder = ask() if ask is not None else None
    if folder is None:
        made: pathlib.Path = tmp_path_factory.mktemp("lens_artifacts")
        return made
    return pathlib.Path(folder)
