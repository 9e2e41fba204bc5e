/** Two folders: each below an item of its own, and each runs its own tests. */
import * as assert from "node:assert/strict";
import * as vscode from "vscode";

import { confirmed, ended, enter, folder, type Lab, until, verdict } from "./lab";

export function multi(): void {
  let lab: Lab;
  const itemOf = (key: string): vscode.TestItem => {
    const item = lab.api.session.controller.items.get(key);
    assert.ok(item);
    return item;
  };
  before(async () => {
    lab = await enter();
    // VS Code may read the workspace's file only after the window has opened.
    await until("both folders are open", () => vscode.workspace.workspaceFolders?.length === 2);
    await confirmed(lab, "tests/test_orders.py::TestOrder::test_total", 0);
    await confirmed(lab, "tests/test_orders.py::test_second", 1);
  });

  describe("several folders", () => {
    it("have an item each", () => {
      const labels = [...lab.api.session.controller.items].map(([, item]) => item.label);
      assert.deepEqual(labels.sort(), ["cafe", "second"]);
    });

    it("run only what was chosen", async () => {
      const { run } = lab.api.profiles;
      const second = lab.api.session.controller.items.get(folder(1));
      assert.ok(second);
      const request = new vscode.TestRunRequest([second], undefined, run);
      await run.runHandler(request, new vscode.CancellationTokenSource().token);
      const recorded = await ended(lab, request);
      const passed = recorded.told.filter(({ what }) => what === "passed").map(({ id }) => id);
      assert.deepEqual(passed, ["tests/test_orders.py::test_second"]);
    });

    it("run together as one run", async () => {
      const { run } = lab.api.profiles;
      const request = new vscode.TestRunRequest(undefined, undefined, run);
      await run.runHandler(request, new vscode.CancellationTokenSource().token);
      const recorded = await ended(lab, request);
      assert.equal(verdict(recorded, "tests/test_orders.py::test_second")?.what, "passed");
      assert.equal(verdict(recorded, "tests/test_prices.py::test_discount")?.what, "failed");
      await until("nothing is open", () => !lab.api.session.runs.isRunning);
    });

    it("v5: are one run for the command too, and the status bar says what became of both", async () => {
      const before = lab.recorded.length;
      await vscode.commands.executeCommand("pytestLens.runAll");
      await until("it has ended", () => {
        const all = lab.recorded.slice(before);
        return all.length > 0 && all.every(({ told }) => told.some(({ what }) => what === "end"));
      });
      const [recorded, ...others] = lab.recorded.slice(before);
      assert.ok(recorded);
      assert.deepEqual(others, []);
      assert.equal(recorded.name, "All tests");
      assert.equal(verdict(recorded, "tests/test_orders.py::test_second")?.what, "passed");
      assert.equal(verdict(recorded, "tests/test_prices.py::test_discount")?.what, "failed");
      await until("the bar counts both", () => /error\) \d+ .*pass\) \d+/.test(lab.api.statusBar.text));
      // The other folder's pass must not hide the failure.
      const second = new vscode.TestRunRequest([itemOf(folder(1))], undefined, lab.api.profiles.run);
      await lab.api.profiles.run.runHandler(second, new vscode.CancellationTokenSource().token);
      await ended(lab, second);
      assert.match(lab.api.statusBar.text, /error\) \d+/);
    });

    it("v11: each can be switched off", async () => {
      const config = vscode.workspace.getConfiguration("pytestLens", vscode.Uri.parse(folder(1)));
      await config.update("enable", false, vscode.ConfigurationTarget.WorkspaceFolder);
      await until("one is left, as it is", () => lab.api.session.controller.items.get("tests"));
      await config.update("enable", undefined, vscode.ConfigurationTarget.WorkspaceFolder);
      await until("both are there", () => lab.api.session.controller.items.get(folder(1)));
      await confirmed(lab, "tests/test_orders.py::test_second", 1);
    });
  });
}
