/** Two folders: each below an item of its own, and each runs its own tests. */
import * as assert from "node:assert/strict";
import * as vscode from "vscode";

import { confirmed, ended, enter, folder, type Lab, until, verdict } from "./lab";

export function multi(): void {
  let lab: Lab;
  before(async () => {
    lab = await enter();
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
  });
}
