"""The files of this package, which the driver brings to the nodes."""

from __future__ import annotations

import hashlib
from pathlib import Path


def package_files() -> tuple[str, dict[str, bytes]]:
    """Return this package's files by their paths below its parent, with a name for them all."""
    package = Path(__file__).parents[1]
    files = {
        str(path.relative_to(package.parent)): path.read_bytes()
        for path in sorted(package.rglob("*.py"))
    }
    digest = hashlib.sha256()
    for name, content in files.items():
        digest.update(name.encode() + b"\0" + content + b"\0")
    return digest.hexdigest()[:16], files
