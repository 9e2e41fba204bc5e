/** A folder whose Python has no pytest: quiet until there are tests, then a welcome with a way out. */
import * as assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";
import * as vscode from "vscode";

import { confirmed, enter, file, folder, type Lab, runItems, until, verdict } from "./lab";

export function bare(): void {
  let lab: Lab;
  const toasts: string[] = [];
  before(async () => {
    for (const say of ["showErrorMessage", "showWarningMessage", "showInformationMessage"] as const) {
      vscode.window[say] = (text: string) => {
        toasts.push(text);
        return Promise.resolve(undefined);
      };
    }
    lab = await enter();
  });

  describe("a Python without pytest", () => {
    it("v2: says nothing of a folder without tests", async () => {
      await vscode.window.showTextDocument(file("main.py"));
      await until("it is known", () => lab.api.session.state === "idle");
      assert.equal(lab.api.statusBar.isShown, false);
      assert.deepEqual(toasts, []);
    });

    it("v2: gives the view to its welcome as soon as there is a test", async () => {
      fs.writeFileSync(file("test_first.py").fsPath, "def test_first():\n    pass\n");
      await until("the welcome is there", () => lab.api.session.state === "noPytest");
      assert.equal(lab.api.session.controller.items.size, 0);
      await vscode.window.showTextDocument(file("test_first.py"));
      await lab.api.session.collect(false);
      assert.equal(lab.api.session.controller.items.size, 0, "the welcome keeps its place");
      assert.deepEqual(toasts, []);
    });

    it("v2: tells why when somebody runs a test", async () => {
      await vscode.commands.executeCommand("pytestLens.run", {
        ids: ["test_first.py::test_first"],
        workspace: folder(),
      });
      assert.match(toasts.join("\n"), /pytest is not installed for .*\.venv\/bin\/python/);
    });

    it("v2: installs it, and the tests are there", async () => {
      // A pip that needs no network: it makes the pytest of the tests' own environment known here.
      const python = file(".venv/lib").fsPath;
      const [version = ""] = fs.readdirSync(python);
      const packages = path.join(python, version, "site-packages");
      fs.mkdirSync(path.join(packages, "pip"));
      const line = `import os, sys; open(os.path.join(os.path.dirname(__file__), "..", "it.pth"), "w").write(${JSON.stringify(packagesOfTests())})`;
      fs.writeFileSync(
        path.join(packages, "pip/__main__.py"),
        `${line}\nassert sys.argv[1:] == ["install", "pytest"]\n`,
      );
      await vscode.commands.executeCommand("pytestLens.install");
      await confirmed(lab, "test_first.py::test_first");
      await until("the view is the tests' again", () => lab.api.session.state === "ready");
      assert.equal(lab.api.session.controller.items.size, 1);
      assert.equal(lab.api.session.problems.size, 0);
      const recorded = await runItems(lab, ["test_first.py"]);
      assert.equal(verdict(recorded, "test_first.py::test_first")?.what, "passed");
    });

    it("v11: a folder that is switched off is left alone", async () => {
      const config = (): vscode.WorkspaceConfiguration => vscode.workspace.getConfiguration("pytestLens");
      await config().update("enable", false, vscode.ConfigurationTarget.Global);
      await until("nothing is shown", () => lab.api.session.controller.items.size === 0);
      await config().update("enable", undefined, vscode.ConfigurationTarget.Global);
      await until("it is shown again", () => lab.api.session.controller.items.size === 1);
      await confirmed(lab, "test_first.py::test_first");
    });
  });
}

/** The packages of the environment that other windows use. */
function packagesOfTests(): string {
  const python = process.env["PYTEST_LENS_TEST_PYTHON"] ?? "";
  const lib = path.join(path.dirname(path.dirname(python)), "lib");
  const [version = ""] = fs.readdirSync(lib);
  return path.join(lib, version, "site-packages");
}
