"""The build backend: maturin's, with the native command in the wheel.

maturin builds an extension module or a program into a wheel, not both. This builds the program
with cargo and places it where `[tool.maturin] data` finds it; installers copy it into the
environment's `bin` as it is, so that `pytest-lens` starts without Python.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import maturin

SCRIPTS = Path(__file__).resolve().parent.parent / "wheel-data" / "scripts"


def build_wheel(
    wheel_directory: str,
    config_settings: dict[str, Any] | None = None,
    metadata_directory: str | None = None,
) -> str:
    """Build the wheel; returns its file name."""
    place_command(config_settings)
    return str(maturin.build_wheel(wheel_directory, config_settings, metadata_directory))


def build_editable(
    wheel_directory: str,
    config_settings: dict[str, Any] | None = None,
    metadata_directory: str | None = None,
) -> str:
    """Build the wheel of `pip install --editable`; returns its file name."""
    place_command(config_settings)
    return str(maturin.build_editable(wheel_directory, config_settings, metadata_directory))


def place_command(config_settings: dict[str, Any] | None) -> None:
    """Put the program among the wheel's scripts: that of PYTEST_LENS_BIN, or a new one."""
    arguments = maturin.get_maturin_pep517_args(config_settings)
    program = Path(os.environ.get("PYTEST_LENS_BIN") or build_command(arguments))
    SCRIPTS.mkdir(parents=True, exist_ok=True)
    for old in SCRIPTS.iterdir():
        old.unlink()
    # A rename, so that no half copy is ever packed.
    half = SCRIPTS.parent / program.name
    shutil.copy2(program, half)
    half.chmod(0o755)
    half.replace(SCRIPTS / program.name)


def build_command(arguments: list[str]) -> str:
    """Build the program as maturin is going to build the module; returns its path."""
    cargo = os.environ.get("CARGO") or shutil.which("cargo")
    if cargo is None:
        raise SystemExit(
            "pytest-lens: there is no cargo to build the command with; "
            "install Rust (https://rustup.rs), or install a ready wheel"
        )
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--profile", default="release")
    parser.add_argument("--target")
    given, _ = parser.parse_known_args(arguments)
    command = [cargo, "build", "--package", "pytest-lens", "--bin", "pytest-lens"]
    command += ["--profile", given.profile, "--message-format", "json-render-diagnostics"]
    if given.target:
        command += ["--target", given.target]
    built = subprocess.run(command, stdout=subprocess.PIPE, check=False, text=True)
    if built.returncode != 0:
        raise SystemExit(f"pytest-lens: `{' '.join(command)}` failed; its messages are above")
    messages = [json.loads(line) for line in built.stdout.splitlines() if line.startswith("{")]
    return next(
        str(message["executable"])
        for message in messages
        if message["reason"] == "compiler-artifact" and message.get("executable")
    )
