/** The projects that the windows open, written again for each. */
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";

import { places } from "./vscode";

function write(folder: string, files: Record<string, string>): void {
  for (const [name, text] of Object.entries(files)) {
    const file = path.join(folder, name);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, text);
  }
}

/** The sample project of the repository. */
export function sampleProject(folder: string): string {
  fs.cpSync(path.join(places.extension, "../../tests/projects/sample"), folder, { recursive: true });
  return folder;
}

/** The sample project with an environment in it, as most projects have it. */
export function ownEnvironment(folder: string): string {
  sampleProject(folder);
  fs.symlinkSync(path.dirname(path.dirname(places.python)), path.join(folder, ".venv"));
  return folder;
}

/** A second small project: its ids equal those of the sample, so that folders must be told apart. */
export function secondProject(folder: string): string {
  write(folder, {
    "pyproject.toml": "[tool.pytest.ini_options]\n",
    "tests/test_orders.py": "def test_second():\n    assert True\n",
  });
  return folder;
}

/** Several projects in one folder, each with a configuration that its tests need. */
export function severalProjects(folder: string): string {
  write(folder, {
    "test_top.py": "def test_top():\n    assert True\n",
    "pkg/api/pyproject.toml": '[tool.pytest.ini_options]\npythonpath = ["src"]\n',
    "pkg/api/src/views.py": "VALUE = 1\n",
    "pkg/api/tests/test_v.py": "from views import VALUE\n\n\ndef test_v():\n    assert VALUE == 1\n",
    "pkg/web/pytest.ini": "[pytest]\npython_files = check_*.py\n",
    "pkg/web/check_page.py": "def test_page():\n    assert True\n",
  });
  return folder;
}

/** A folder with a program, and an environment without pytest. */
export function withoutPytest(folder: string): string {
  write(folder, { "main.py": "print('no tests here')\n" });
  execFileSync(places.python, ["-m", "venv", "--without-pip", path.join(folder, ".venv")]);
  return folder;
}

/** How many tests are in the large project. */
const LARGE = Number(process.env["LENS_LARGE"] ?? 30_000);

/** 30,000 tests in 300 files; without asserts, whose rewriting would be most of what is measured. */
export function largeProject(folder: string, count = LARGE): string {
  const tests = Array.from({ length: 100 }, (_, n) => `def test_${n}():\n    pass\n`).join("\n\n");
  const files: Record<string, string> = { "pyproject.toml": "[tool.pytest.ini_options]\n" };
  for (let n = 0; n < count / 100; n++) {
    files[`tests/part_${n % 20}/test_m${n}.py`] = tests;
  }
  write(folder, files);
  return folder;
}

/** The sample project with a delivery service that cannot be relied on: for pictures. */
export function demoProject(folder: string): string {
  sampleProject(folder);
  const state = path.dirname(folder);
  const script = `#!/bin/sh\ntouch "${state}/interpreter-of-the-workspace"\nexec "${places.python}" "$@"\n`;
  fs.writeFileSync(path.join(folder, "python"), script, { mode: 0o755 });
  write(folder, {
    ".vscode/settings.json": JSON.stringify({ "pytestLens.pythonPath": "${workspaceFolder}/python" }),
    "conftest.py": `"""Leaves a trace where it is executed."""

import os
from pathlib import Path

Path(os.environ["CAFE_STATE"], "executed").touch()
`,
    "tests/test_delivery.py": `"""Delivery: by bike, and not always."""

import os
from pathlib import Path

from cafe.riders import fee


def turn(name):
    """How often this was asked for; a stand-in for whatever changes between runs."""
    turns = Path(os.environ["CAFE_STATE"], name)
    count = int(turns.read_text()) + 1 if turns.exists() else 1
    turns.write_text(str(count))
    return count


def test_bike_is_there():
    assert turn("bike") % 3, "somebody took the bike"


def test_bell_is_heard():
    assert turn("bell") % 4, "nobody opened"


def note(street, number):
    return f"Please leave the cake\\nat {street} {number},\\nwith the neighbours.\\n"


def test_cake_arrives_whole():
    assert turn("cake") > 0


def test_note():
    expected = "Please leave the cake\\nat Bean Street 7,\\nwith the neighbors.\\n"
    actual = note("Bean Street", 7)

    # The cook is from London.
    assert actual == expected


def test_fee():
    assert fee(2) == 320
`,
    "cafe/riders.py": `"""Riders: what they are paid, and told."""

from __future__ import annotations


def fee(distance_km: float, *, is_raining: bool = False) -> int:
    """The price of a delivery in cents; nobody rides farther than 5 km."""
    if distance_km > 5:
        raise ValueError(f"{distance_km} km are too far for a bike")
    cents = 200 + round(60 * distance_km)
    if is_raining:
        cents += 100
    return cents


def route(streets: list[str]) -> str:
    """The streets in the order in which they are ridden."""
    if not streets:
        return "around the corner"
    return " → ".join(streets)
`,
  });
  return folder;
}
