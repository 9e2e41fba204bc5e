/** 30,000 tests (or LENS_LARGE): how long until the tree is complete, and from a key to a verdict. Printed, never asserted. */
import * as assert from "node:assert/strict";
import * as vscode from "vscode";

import { enter, file, folder, type Lab, until, verdict } from "./lab";
import { say } from "./say";

const TESTS = Number(process.env["LENS_LARGE"] ?? 30_000);
const WHAT = `${TESTS.toLocaleString("en")} tests`;

export function large(): void {
  let lab: Lab;

  describe(WHAT, () => {
    it("appear", async () => {
      const start = performance.now();
      lab = await enter();
      const { session } = lab.api;
      const collected = new Promise((done) => session.onDidCollect(done));
      const tests = (): number =>
        session.folders
          .get(folder())
          .inventory.all()
          .filter(({ kind }) => kind === "function").length;
      await until("files are shown", () => session.tree.shown(folder()) > 0);
      const first = performance.now() - start;
      await until("the source is read", () => tests() === TESTS);
      const all = performance.now() - start;
      say(`  ${WHAT}: first files after ${seconds(first)}, all tests, read from the source, after ${seconds(all)}`);
      await collected;
      assert.equal(tests(), TESTS);
      const shown = session.tree.shown(folder());
      say(`  ${WHAT}: confirmed by pytest after ${seconds(performance.now() - start)} (${shown} items shown)`);
    });

    it("appear again from a warm start", async () => {
      const { session } = lab.api;
      const start = performance.now();
      const collected = new Promise((done) => session.onDidCollect(done));
      let told = 0;
      const take = session.take.bind(session);
      session.take = (method, params) => {
        take(method, params);
        if ("upserts" in params) {
          told += params.upserts.filter(({ kind }) => kind === "function").length;
        }
      };
      await session.client.restart();
      await until("all are told again", () => told >= TESTS);
      say(`  ${WHAT}: server started anew, all tests told after ${seconds(performance.now() - start)}`);
      await collected;
      session.take = take;
      say(`  ${WHAT}: server started anew, confirmed after ${seconds(performance.now() - start)}`);
    });

    it("come from a key to a verdict", async () => {
      const uri = file("tests/part_7/test_m7.py");
      const document = await vscode.workspace.openTextDocument(uri);
      const line = document.getText().split("\n").indexOf("def test_42():");
      await vscode.window.showTextDocument(document, { selection: new vscode.Range(line, 0, line, 0) });
      for (let turn = 1; turn <= 3; turn++) {
        const before = lab.recorded.length;
        const start = performance.now();
        await vscode.commands.executeCommand("pytestLens.run");
        const id = "tests/part_7/test_m7.py::test_42";
        const told = await until("there is a verdict", () => {
          const recorded = lab.recorded[before];
          return recorded && verdict(recorded, id);
        });
        assert.equal(told.what, "passed");
        say(`  ${WHAT}: key to verdict, turn ${turn}: ${(performance.now() - start).toFixed(0)} ms`);
      }
    });
  });
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(2)} s`;
}
