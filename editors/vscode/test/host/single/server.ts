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

    it("v13: tests that were told while a collection failed stay, and what runs is shown", async () => {
      const { session } = lab.api;
      const execute = session.client.execute.bind(session.client);
      const refusal = (): Error =>
        Object.assign(new Error("pytest is not installed for /old/python: run `/old/python -m pip install pytest`"), {
          data: { code: "python_not_found" },
        });
      const late = file("tests/test_late.py");
      const stand = (answer: () => Promise<never>): void => {
        session.client.execute = (command, argument) =>
          command === "pytestLens.collect" ? answer() : execute(command, argument);
      };
      try {
        // The interpreter from before trust has no pytest; the other one has reported the tests in the meantime.
        let isTold = false;
        stand(async () => {
          isTold ||= await tell();
          throw refusal();
        });
        const tell = async (): Promise<boolean> => {
          fs.writeFileSync(late.fsPath, "def test_late():\n    pass\n");
          await execute("pytestLens.collect", { workspace: folder() });
          await confirmed(lab, "tests/test_late.py::test_late");
          return true;
        };
        await session.collect(false);
        assert.ok(isTold);
        assert.equal(session.state, "ready");
        assert.ok(session.controller.items.size > 0, "the tree is there");
        // The other way round: the refusal is all there is, until a test runs.
        stand(() => Promise.reject(refusal()));
        await session.collect(false);
        assert.equal(session.state, "noPytest");
        assert.equal(session.controller.items.size, 0);
        await execute("pytestLens.run", { ids: [`${PRICES}::test_receipt`], workspace: folder() });
        await until("the tree is there again", () => session.controller.items.size > 0 && session.state === "ready");
      } finally {
        Reflect.deleteProperty(session.client, "execute");
        fs.rmSync(late.fsPath);
        await session.collect(false);
      }
    });

    it("v13: folders and settings that change while the server starts reach it", async () => {
      const { session } = lab.api;
      const config = (): vscode.WorkspaceConfiguration => vscode.workspace.getConfiguration("pytestLens");
      const { Global } = vscode.ConfigurationTarget;
      await config().update("enable", false, Global);
      await until("the folder is off", () => session.controller.items.size === 0);
      // The server is started for no folder; before anybody hears that it listens there is one, and another setting.
      session.running = () => undefined;
      Object.defineProperty(session.client, "isRunning", { get: () => false, configurable: true });
      try {
        await session.client.restart();
        await config().update("workers", 2, Global);
        await config().update("enable", undefined, Global);
        await until("the folder is on", () => session.folders.has(folder()));
      } finally {
        Reflect.deleteProperty(session.client, "isRunning");
        Reflect.deleteProperty(session, "running");
        session.running();
      }
      await until("its tests are there", () => session.tree.peek(folder(), PRICES));
      const recorded = await runItems(lab, [`${PRICES}::test_receipt`]);
      assert.equal(verdict(recorded, `${PRICES}::test_receipt`)?.what, "passed");
      assert.ok(session.tree.peek(folder(), PRICES));
      await config().update("workers", undefined, Global);
    });

    it("v13: trust that is given while the server starts reaches it", async () => {
      const { session } = lab.api;
      const own = Object.getOwnPropertyDescriptor(vscode.workspace, "isTrusted");
      assert.ok(own);
      // The first caller starts it; later callers get another answer.
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
