/**
 * 30,000 tests (or LENS_LARGE): the time until the tree is complete, and from a key to a verdict. Printed, never
 * asserted.
 */
import * as assert from "node:assert/strict";
import * as vscode from "vscode";

import type { TestItem } from "../../src/protocol";
import { enter, file, folder, type Lab, runItems, until, verdict } from "./lab";
import { say } from "./say";

const TESTS = Number(process.env["LENS_LARGE"] ?? 30_000);
const FILE = "tests/part_9/test_m9.py";
const WHAT = `${TESTS.toLocaleString("en")} tests`;

export function large(): void {
  let lab: Lab;

  describe(WHAT, () => {
    it("appear", async () => {
      const start = performance.now();
      lab = await enter();
      const { session } = lab.api;
      const collected = new Promise((done) => session.onDidCollect(done));
      const files = (): number => session.folders.get(folder()).inventory.all().filter(isFile).length;
      await until("all files are shown", () => files() === TESTS / 100);
      say(`  ${WHAT}: all files shown after ${since(start)}`);
      const opened = performance.now();
      const item = await until("the file is shown", () => session.tree.peek(folder(), FILE));
      assert.ok(item.canResolveChildren, "what is in it is not known yet");
      await session.controller.resolveHandler?.(item);
      await until("its tests are shown", () => item.children.size === 100);
      say(`  ${WHAT}: the tests of a file shown ${since(opened)} after it was opened, ${since(start)} from the start`);
      await collected;
      assert.equal(files(), TESTS / 100);
      say(`  ${WHAT}: confirmed by pytest after ${since(start)}; ${session.tree.shown(folder())} items are shown`);
    });

    it("appear with their outcomes, where nobody has opened their file", async () => {
      const { session } = lab.api;
      const id = "tests/part_3/test_m3.py::test_42";
      assert.equal(session.tree.peek(folder(), id), undefined);
      const recorded = await runItems(lab, ["tests/part_3/test_m3.py"]);
      assert.equal(verdict(recorded, id)?.what, "passed");
      assert.ok(session.tree.peek(folder(), id), "its item is shown");
    });

    it("can be found, where nobody has opened their file", async () => {
      const id = "tests/part_4/test_m4.py::test_42";
      await vscode.commands.executeCommand("pytestLens.openTest", { id, workspace: folder() });
      const editor = vscode.window.activeTextEditor;
      assert.equal(editor?.document.uri.toString(), file("tests/part_4/test_m4.py").toString());
      assert.equal(editor.document.lineAt(editor.selection.active.line).text, "def test_42():");
    });

    it("appear again from a warm start, and what is open stays", async () => {
      const { session } = lab.api;
      const item = session.tree.peek(folder(), FILE);
      assert.ok(item);
      const collected = new Promise((done) => session.onDidCollect(done));
      const told = new Set<string>();
      const take = session.take.bind(session);
      session.take = (method, params) => {
        take(method, params);
        if ("upserts" in params) {
          params.upserts.filter(isFile).forEach(({ id }) => told.add(id));
        }
      };
      const old = session.client.pid();
      const restarting = session.client.restart();
      await until("the new server starts", () => ![undefined, old].includes(session.client.pid()));
      const start = performance.now();
      await restarting;
      await until("all are told again", () => told.size === TESTS / 100);
      say(`  ${WHAT}: server started again, all files known after ${since(start)}`);
      assert.equal(item.children.size, 100);
      await collected;
      session.take = take;
      say(`  ${WHAT}: server started again, confirmed after ${since(start)}`);
      assert.equal(session.tree.peek(folder(), FILE), item);
      assert.equal(item.children.size, 100);
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

function isFile({ kind }: TestItem): boolean {
  return kind === "file";
}

function since(start: number): string {
  return `${((performance.now() - start) / 1000).toFixed(2)} s`;
}
