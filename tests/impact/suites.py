"""Makes real suites ready for the benches: those of `tests/fidelity/suites.toml`.

Each gets an environment of the Python that runs this, and the sources as they were released, below
`target/impact`.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomllib

_ROOT = Path(__file__).parents[2]
# For each suite the folder with the code to change, and the folder for `PYTHONPATH`.
CODE = {
    "aiofiles": ("src", "src"),
    "asgiref": ("asgiref", "."),
    "attrs": ("src", "src"),
    "boltons": ("boltons", "."),
    "click": ("src", "src"),
    "flask": ("src", "src"),
    "marshmallow": ("src", "src"),
    "toolz": ("toolz", "."),
}


@dataclass(frozen=True)
class Real:
    """A suite that is ready."""

    root: Path
    sources: str
    path: str
    python: Path


def ready(name: str) -> Real:
    """The suite with this name; made at its first use, or if its versions changed."""
    with (_ROOT / "tests/fidelity/suites.toml").open("rb") as file:
        described = {suite["name"]: suite for suite in tomllib.load(file)["suite"]}[name]
    home = _ROOT / f"target/impact/{name}-{sys.version_info.major}.{sys.version_info.minor}"
    stamp, made_from = home / "made-from.txt", repr(described)
    if not stamp.exists() or stamp.read_text() != made_from:
        _make(home, described)
        stamp.write_text(made_from)
    (root,) = (home / "source").iterdir()
    sources, path = CODE[name]
    return Real(root, sources, path, home / "venv/bin/python")


def _make(home: Path, described: dict[str, Any]) -> None:
    print(f"making {home}", file=sys.stderr, flush=True)
    venv.create(home / "venv", clear=True, with_pip=True)
    requirements = home / "requirements.txt"
    requirements.write_text("\n".join(described["requirements"]) + "\n")
    _pip(home, "install", "-r", str(requirements))
    source = home / "source.txt"
    source.write_text(f"{described['source']} --hash=sha256:{described['sha256']}\n")
    package = described["source"].split("==")[0]
    into = ["--dest", str(home / "download"), "-r", str(source)]
    _pip(home, "download", "--no-deps", "--no-binary", package, *into)
    (archive,) = (home / "download").glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        opened.extractall(home / "source", filter="data")


def _pip(home: Path, *arguments: str) -> None:
    command = [str(home / "venv/bin/python"), "-m", "pip", "-q", "--disable-pip-version-check"]
    subprocess.run([*command, *arguments], check=True)
