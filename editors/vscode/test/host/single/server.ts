/** Coverage, and a server that dies or is started again. */
import * as assert from "node:assert/strict";
import * as fs from "node:fs";
import * as vscode from "vscode";

import { confirmed, file, folder, runItems, until, verdict } from "../lab";
import { lab, PRICES } from "./window";

export function server(): void {
  describe("coverage", () => {
    it("has statements and branches of each file, those of a single test as well", async () => {
      const { coverage } = lab.api.profiles;
      const total = "tests/test_orders.py::TestOrder::test_total";
      const receipt = `${PRICES}::test_receipt`;
      const recorded = await runItems(lab, [total, receipt], coverage);
      assert.equal(verdict(recorded, receipt)?.what, "passed");
      const uri = file("cafe/prices.py");
      const measured = recorded.told.find((told) => told.file?.uri.toString() === uri.toString())?.file;
      assert.ok(measured instanceof vscode.FileCoverage);
      const lines = fs.readFileSync(uri.fsPath, "utf8").split("\n");
      const at = (text: string): number => lines.findIndex((each) => each.includes(text));
      assert.equal(measured.statementCoverage.total - measured.statementCoverage.covered, 2);
      const { branchCoverage } = measured;
      assert.deepEqual([branchCoverage?.covered, branchCoverage?.total], [1, 2]);
      assert.deepEqual(measured.includesTests?.map((test) => test.id).sort(), [total, receipt].sort());
      const executed = (details: vscode.FileCoverageDetail[] | undefined, text: string): boolean => {
        const found = details?.find(({ location }) => (location as vscode.Position).line === at(text));
        assert.ok(found);
        return found.executed === true;
      };
      const token = new vscode.CancellationTokenSource().token;
      const all = await coverage.loadDetailedCoverage?.(recorded.run, measured, token);
      assert.equal(executed(all, "return MENU[item]"), true);
      assert.equal(executed(all, "raise KeyError"), false);
      assert.equal(executed(all, "return lines"), true);
      const test = await confirmed(lab, total);
      const one = await coverage.loadDetailedCoverageForTest?.(recorded.run, measured, test, token);
      assert.equal(executed(one, "return MENU[item]"), true);
      assert.equal(executed(one, "return lines"), false);
      const branches = all?.flatMap((detail) => ("branches" in detail ? detail.branches : []));
      assert.deepEqual(
        branches?.map((branch) => branch.executed),
        [true, false],
      );
    });
  });

  describe("server", () => {
    it("is started again when it dies, and the tree stays", async () => {
      const { session } = lab.api;
      const prices = await confirmed(lab, PRICES);
      const count = session.tree.shown(folder());
      const pid = session.client.pid();
      assert.ok(pid);
      process.kill(pid, "SIGKILL");
      await until("it is gone", () => !session.client.isRunning);
      assert.equal(session.tree.peek(folder(), PRICES), prices);
      assert.equal(session.tree.shown(folder()), count);
      await until("it is back", () => session.client.isRunning);
      const recorded = await runItems(lab, [`${PRICES}::test_receipt`]);
      assert.equal(verdict(recorded, `${PRICES}::test_receipt`)?.what, "passed");
      assert.equal(session.tree.peek(folder(), PRICES), prices);
      assert.notEqual(session.client.pid(), pid);
    });

    it("v13: trust that is given while the server starts reaches it", async () => {
      const { session } = lab.api;
      const own = Object.getOwnPropertyDescriptor(vscode.workspace, "isTrusted");
      assert.ok(own);
      // The first who asks is the one who starts it; whoever asks then is told otherwise.
      let asked = 0;
      Object.defineProperty(vscode.workspace, "isTrusted", { get: () => asked++ > 0, configurable: true });
      try {
        await session.client.restart();
        const recorded = await runItems(lab, [`${PRICES}::test_receipt`]);
        assert.equal(verdict(recorded, `${PRICES}::test_receipt`)?.what, "passed");
        assert.ok(session.tree.peek(folder(), PRICES));
      } finally {
        Object.defineProperty(vscode.workspace, "isTrusted", own);
      }
    });
  });
}
