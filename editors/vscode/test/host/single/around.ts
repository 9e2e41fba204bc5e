/** Features around runs: flakiness, rerun until failure, marks, the status bar, lenses, commands. */
import * as assert from "node:assert/strict";
import * as fs from "node:fs";
import * as vscode from "vscode";

import { confirmed, file, runItems, until } from "../lab";
import { lab, PRICES } from "./window";

export function around(): void {
  describe("flakiness", () => {
    it("tags a test that passed and failed on the same code, and says so", async () => {
      const id = "tests/test_kitchen.py::test_waiter_remembers_the_order";
      const item = await confirmed(lab, id);
      for (let run = 0; run < 4; run++) {
        await runItems(lab, [id]);
      }
      await until("it is tagged", () => item.tags.some((tag) => tag.id === "flaky"));
      assert.match(item.label, /^test_waiter_remembers_the_order · .*flaky \d+ %/);
    });
  });

  describe("around", () => {
    /** The messages for the user in the meantime; nobody answers them. */
    async function told(act: () => Promise<unknown>): Promise<string[]> {
      const texts: string[] = [];
      const say = vscode.window.showInformationMessage;
      vscode.window.showInformationMessage = (text: string) => {
        texts.push(text);
        return Promise.resolve(undefined);
      };
      await act().finally(() => (vscode.window.showInformationMessage = say));
      return texts;
    }

    it("copies the node id of an item, and of the message of a failure", async () => {
      const item = await confirmed(lab, `${PRICES}::test_receipt`);
      for (const target of [item, { test: item }]) {
        await vscode.env.clipboard.writeText("");
        await vscode.commands.executeCommand("pytestLens.copyNodeId", target);
        assert.equal(await vscode.env.clipboard.readText(), `${PRICES}::test_receipt`);
      }
    });

    it("v3: reruns a test until it fails, as one run with a counter", async () => {
      const id = "tests/test_kitchen.py::test_waiter_remembers_the_order";
      const item = await confirmed(lab, id);
      const before = lab.recorded.length;
      const texts = await told(async () => vscode.commands.executeCommand("pytestLens.rerunUntilFailure", item));
      assert.match(texts[0] ?? "", /^test_waiter_remembers_the_order failed at attempt [12]\.$/);
      assert.equal(lab.recorded.length, before + 1);
      assert.equal(lab.recorded[before]?.name, "test_waiter_remembers_the_order, until it fails");
    });

    it("v3: a test that always passes is counted, not shown again and again, and stops at once", async () => {
      const { runs } = lab.api.session;
      const id = `${PRICES}::test_receipt`;
      const item = await confirmed(lab, id);
      const before = lab.recorded.length;
      const counting = runs.onDidRepeat(({ attempt }) => {
        if (attempt === 5) {
          void runs.stop();
        }
      });
      const statuses: string[] = [];
      const drawn = runs.onDidMove(() => statuses.push(lab.api.statusBar.text));
      const texts = await told(async () => vscode.commands.executeCommand("pytestLens.rerunUntilFailure", item));
      vscode.Disposable.from(counting, drawn).dispose();
      assert.match(texts[0] ?? "", /^test_receipt passed \d+ times, then you stopped it\.$/);
      const [recorded, ...others] = lab.recorded.slice(before);
      assert.ok(recorded);
      assert.deepEqual(others, []);
      assert.equal(recorded.told.filter(({ what }) => what === "passed").length, 1);
      assert.ok(
        statuses.some((text) => text.includes("attempt 3")),
        statuses.join("\n"),
      );
    });

    it("v3: the death of the server ends it", async () => {
      const { session } = lab.api;
      const item = await confirmed(lab, `${PRICES}::test_receipt`);
      const counting = session.runs.onDidRepeat(({ attempt }) => {
        const pid = session.client.pid();
        if (attempt === 3 && pid !== undefined) {
          process.kill(pid, "SIGKILL");
        }
      });
      const texts = await told(async () => vscode.commands.executeCommand("pytestLens.rerunUntilFailure", item));
      counting.dispose();
      assert.match(texts[0] ?? "", /^test_receipt passed \d+ times, then the server ended\.$/);
      await until("it is back", () => session.client.isRunning);
    });

    it("v11: offers to run, debug and show a failure where it is marked, and marks nothing where that is off", async () => {
      await runItems(lab, [`${PRICES}::test_discount`]);
      const uri = file(PRICES);
      await vscode.window.showTextDocument(uri);
      const marked = (): vscode.Diagnostic | undefined =>
        vscode.languages.getDiagnostics(uri).find(({ source, code }) => source === "pytest-lens" && code === "failed");
      const { range } = await until("it is marked", marked);
      const kind = vscode.CodeActionKind.QuickFix.value;
      const titles = await vscode.commands
        .executeCommand<vscode.CodeAction[]>("vscode.executeCodeActionProvider", uri, range, kind)
        .then((all) => all.map(({ title }) => title));
      for (const title of ["Run test_discount", "Debug test_discount", "Show Output of test_discount"]) {
        assert.ok(titles.includes(title), titles.join(", "));
      }
      const config = (): vscode.WorkspaceConfiguration => vscode.workspace.getConfiguration("pytestLens");
      await config().update("diagnostics.enable", false, vscode.ConfigurationTarget.Global);
      await until("nothing is marked", () => !marked());
      await config().update("diagnostics.enable", undefined, vscode.ConfigurationTarget.Global);
      await until("it is marked again", marked);
    });

    it("v10: says counts in the status bar, and no word of ours", async () => {
      await runItems(lab, [PRICES]);
      await until("it says them", () => /error\) 1 .*pass\) 6$/.test(lab.api.statusBar.text));
    });

    it("shows code lenses only when asked", async () => {
      const uri = file(PRICES);
      const lenses = async (): Promise<string[]> => {
        const all = await vscode.commands.executeCommand<vscode.CodeLens[]>("vscode.executeCodeLensProvider", uri, 50);
        return all.map(({ command }) => command?.title ?? "");
      };
      await vscode.workspace.openTextDocument(uri);
      assert.deepEqual(await lenses(), []);
      await vscode.commands.executeCommand("pytestLens.toggleLenses");
      await until("they are there", async () => (await lenses()).some((title) => title.includes("Run")));
      await vscode.commands.executeCommand("pytestLens.toggleLenses");
      await until("they are gone", async () => (await lenses()).length === 0);
    });

    it("v9: nothing of this changed settings in the repository", () => {
      assert.equal(fs.existsSync(file(".vscode/settings.json").fsPath), false);
    });

    it("has a command for each entry of the palette, of the menus and of the keys", async () => {
      interface Manifest {
        contributes: {
          commands: { command: string }[];
          keybindings: { command: string }[];
          menus: Record<string, { command: string }[]>;
        };
      }
      const extension = vscode.extensions.all.find(({ id }) => id.endsWith(".pytest-lens"));
      const { contributes } = extension?.packageJSON as Manifest;
      const named = contributes.commands.map(({ command }) => command);
      const there = new Set(await vscode.commands.getCommands());
      assert.deepEqual(
        named.filter((name) => !there.has(name)),
        [],
      );
      const used = [...contributes.keybindings, ...Object.values(contributes.menus).flat()];
      assert.deepEqual(
        used.filter(({ command }) => !named.includes(command)),
        [],
      );
    });
  });
}
