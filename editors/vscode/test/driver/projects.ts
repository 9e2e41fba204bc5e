/** The projects that the windows open, written out anew for each. */
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

/** A small project besides: its ids are those of the sample's, so that folders must be told apart. */
export function secondProject(folder: string): string {
  write(folder, {
    "pyproject.toml": "[tool.pytest.ini_options]\n",
    "tests/test_orders.py": "def test_second():\n    assert True\n",
  });
  return folder;
}

/** 30,000 tests in 300 files. */
export function largeProject(folder: string): string {
  const tests = Array.from({ length: 100 }, (_, n) => `def test_${n}():\n    assert ${n} == ${n}\n`).join("\n\n");
  const files: Record<string, string> = { "pyproject.toml": "[tool.pytest.ini_options]\n" };
  for (let n = 0; n < 300; n++) {
    files[`tests/part_${n % 20}/test_m${n}.py`] = tests;
  }
  write(folder, files);
  return folder;
}
