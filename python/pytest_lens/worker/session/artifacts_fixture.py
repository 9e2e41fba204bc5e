"""The fixture `lens_artifacts`: a folder in which a test leaves what others are to look at.

This module is registered as a plugin of its own, so that pytest finds the fixture in it.
"""

from __future__ import annotations

import pathlib
from typing import Any

import pytest

# Asked for the folder of the test that runs now. Other providers of the fixture look for it too.
ATTRIBUTE = "_lens_artifacts_folder"


@pytest.fixture
def lens_artifacts(request: Any, tmp_path_factory: Any) -> pathlib.Path:
    """A folder of this test's own; what is put there is kept and shown as the test's artifacts."""
    ask = getattr(request.config, ATTRIBUTE, None)
    folder = ask() if ask is not None else None
    if folder is None:
        made: pathlib.Path = tmp_path_factory.mktemp("lens_artifacts")
        return made
    return pathlib.Path(folder)
