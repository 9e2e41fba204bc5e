/** Runs: what they tell, cancelling them, and continuous run. */
import * as assert from "node:assert/strict";
import * as fs from "node:fs";
import * as vscode from "vscode";

import { confirmed, ended, file, folder, plain, rewrite, runItems, until, verdict } from "../lab";
import { lab, PRICES } from "./window";

export function run(): void {
  describe("run", () => {
    it("streams passes with durations", async () => {
      const recorded = await runItems(lab, ["tests/test_orders.py::TestOrder"]);
      const told = verdict(recorded, "tests/test_orders.py::TestOrder::test_total");
      assert.equal(told?.what, "passed");
      assert.ok((told.durationMs ?? 0) > 0);
      const kinds = recorded.told.filter(({ id }) => id?.endsWith("test_total")).map(({ what }) => what);
      assert.deepEqual(kinds, ["enqueued", "started", "passed"]);
    });

    it("shows a failure at its line, with its stack and the diff", async () => {
      const recorded = await runItems(lab, [`${PRICES}::test_discount`]);
      const told = verdict(recorded, `${PRICES}::test_discount`);
      assert.equal(told?.what, "failed");
      const { message } = told;
      assert.ok(message);
      const text = fs.readFileSync(file(PRICES).fsPath, "utf8").split("\n");
      const line = text.findIndex((each) => each.includes("== 399"));
      assert.equal(message.location?.uri.toString(), file(PRICES).toString());
      assert.equal(message.location.range.start.line, line);
      assert.equal(message.expectedOutput, "399");
      assert.equal(message.actualOutput, "210");
      assert.equal(message.stackTrace?.[0]?.position?.line, line);
    });

    it("shows errors of set-up and teardown as errors, and the output of each test with the ends of lines of a terminal", async () => {
      const uri = file("tests/test_extra.py");
      fs.writeFileSync(
        uri.fsPath,
        [
          "import pytest",
          "@pytest.fixture",
          "def broken():",
          "    raise RuntimeError('no water')",
          "def test_needs(broken): pass",
          "@pytest.fixture",
          "def leaky():",
          "    yield",
          "    raise RuntimeError('tap open')",
          "def test_leaks(leaky): pass",
          "def test_prints():",
          "    print('one\\n\\x1b[31mtwo\\x1b[0m')",
          "",
        ].join("\n"),
      );
      const recorded = await runItems(lab, ["tests/test_extra.py"]);
      const told = verdict(recorded, "tests/test_extra.py::test_needs");
      assert.equal(told?.what, "errored");
      assert.match(plain(told.message?.message), /in setup: .*no water/s);
      // v7: each test at its own line, not all at the fixture's; the stack leads there.
      assert.equal(told.message?.location?.range.start.line, 4);
      assert.equal(told.message.stackTrace?.[0]?.position?.line, 3);
      const after = verdict(recorded, "tests/test_extra.py::test_leaks");
      assert.equal(after?.what, "errored");
      assert.match(plain(after.message?.message), /in teardown: .*tap open/s);
      const output = recorded.told.filter(({ id, what }) => what === "output" && id?.endsWith("::test_prints"));
      const [first = "", ...rest] = output
        .map(({ text }) => text)
        .join("")
        .split("\r\n");
      assert.match(first, /test_extra\.py::test_prints\u001b\[0m \u001b\[32mpassed/);
      assert.deepEqual(rest, ["one", "\u001b[31mtwo\u001b[0m", ""]);
      fs.rmSync(uri.fsPath);
    });

    it("dims outcomes that are older than a change of what their tests depend on", async () => {
      const { controller } = lab.api.session;
      const invalidate = controller.invalidateTestResults.bind(controller);
      const stale: string[] = [];
      controller.invalidateTestResults = (items) => {
        stale.push(...[items ?? []].flat().map(({ id }) => id));
        invalidate(items);
      };
      try {
        await runItems(lab, [`${PRICES}::test_receipt`]);
        // Not by an editor: as git or an agent does it.
        const { fsPath } = file(PRICES);
        const text = fs.readFileSync(fsPath, "utf8");
        fs.writeFileSync(fsPath, `${text}\nCHANGED = True\n`);
        await until("the outcome is stale", () => stale.includes(`${PRICES}::test_receipt`));
        fs.writeFileSync(fsPath, text);
      } finally {
        controller.invalidateTestResults = invalidate;
      }
    });

    it("leaves out what is excluded", async () => {
      const { profiles } = lab.api;
      const prices = await confirmed(lab, PRICES);
      const price = await confirmed(lab, `${PRICES}::test_price`);
      const request = new vscode.TestRunRequest([prices], [price], profiles.run);
      await profiles.run.runHandler(request, new vscode.CancellationTokenSource().token);
      const recorded = await ended(lab, request);
      assert.equal(verdict(recorded, `${PRICES}::test_receipt`)?.what, "passed");
      assert.ok(!recorded.told.some(({ id }) => id?.includes("test_price[")));
    });

    it("a10: a filter of the profile holds for everything, is named, and leaves chosen tests alone", async () => {
      const { options, profiles, statusBar } = lab.api;
      await options.set("Run", { keyword: "total" });
      assert.match(statusBar.text, /\$\(filter\) -k total$/);
      assert.equal(profiles.run.label, "Run (-k total)");
      const chosen = await runItems(lab, [`${PRICES}::test_receipt`]);
      assert.equal(verdict(chosen, `${PRICES}::test_receipt`)?.what, "passed");
      const request = new vscode.TestRunRequest(undefined, undefined, profiles.run);
      await profiles.run.runHandler(request, new vscode.CancellationTokenSource().token);
      const all = await ended(lab, request);
      const ran = new Set(all.told.filter(({ what }) => what === "passed").map(({ id }) => id));
      assert.deepEqual([...ran], ["tests/test_orders.py::TestOrder::test_total"]);
      assert.equal(all.name, "All tests, -k total");
      assert.match(all.told[0]?.text ?? "", /-k total/);
      await options.set("Run", { keyword: "nothing_has_this_name" });
      const told: string[] = [];
      const say = vscode.window.showErrorMessage;
      vscode.window.showErrorMessage = (text: string, ...choices: unknown[]) => {
        told.push(`${text} ${choices.join(" ")}`);
        return Promise.resolve(choices[0]);
      };
      const none = new vscode.TestRunRequest(undefined, undefined, profiles.run);
      await profiles.run.runHandler(none, new vscode.CancellationTokenSource().token);
      vscode.window.showErrorMessage = say;
      assert.match(told[0] ?? "", /no test was selected.*the filter -k nothing_has_this_name .*Clear the Filter/);
      await until("the filter is cleared", () => profiles.run.label === "Run");
      assert.ok(!statusBar.text.includes("filter"));
    });

    it("runs everything by VS Code's own command", async () => {
      const before = lab.recorded.length;
      await vscode.commands.executeCommand("testing.runAll");
      const recorded = await until("the run has ended", () =>
        lab.recorded.slice(before).find(({ told }) => told.some(({ what }) => what === "end")),
      );
      const verdicts = recorded.told.filter(({ what }) => ["passed", "failed", "errored", "skipped"].includes(what));
      assert.equal(new Set(verdicts.map(({ id }) => id)).size, 17);
      assert.match(lab.api.statusBar.text, /error\) \d.*pass\) \d+/);
    });

    it("shows runs that were asked for by a command, as a lens does", async () => {
      const before = lab.recorded.length;
      const ids = [`${PRICES}::test_receipt`];
      await vscode.commands.executeCommand("pytestLens.run", { ids, workspace: folder() });
      const recorded = await until("it is shown", () =>
        lab.recorded.slice(before).find(({ told }) => told.some(({ what }) => what === "end")),
      );
      assert.equal(verdict(recorded, ids[0] ?? "")?.what, "passed");
      assert.deepEqual(
        recorded.request.include?.map(({ id }) => id),
        ids,
      );
    });

    it("runs the test under the cursor, and repeats what failed", async () => {
      const document = await vscode.workspace.openTextDocument(file(PRICES));
      const line = document.getText().slice(0, document.getText().indexOf("== 399")).split("\n").length - 1;
      const selection = new vscode.Range(line, 4, line, 4);
      await vscode.window.showTextDocument(document, { selection });
      for (const command of ["pytestLens.run", "pytestLens.runLast"]) {
        const before = lab.recorded.length;
        await vscode.commands.executeCommand(command);
        const recorded = await until(`${command} has ended`, () =>
          lab.recorded.slice(before).find(({ told }) => told.some(({ what }) => what === "end")),
        );
        assert.equal(verdict(recorded, `${PRICES}::test_discount`)?.what, "failed");
      }
    });
  });

  describe("cancel", () => {
    const SLEEPER = "tests/test_sleeper.py";
    before(() => {
      const text = "import time\ndef test_sleeps():\n    time.sleep(600)\ndef test_after():\n    pass\n";
      fs.writeFileSync(file(SLEEPER).fsPath, text);
    });
    after(() => fs.rmSync(file(SLEEPER).fsPath));

    it("stops, and, a second time, kills", async () => {
      const { run } = lab.api.profiles;
      const request = new vscode.TestRunRequest([await confirmed(lab, SLEEPER)], undefined, run);
      await run.runHandler(request, new vscode.CancellationTokenSource().token);
      const recorded = await until("it runs", () =>
        lab.recorded.find((each) => each.request === request && each.told.some(({ what }) => what === "started")),
      );
      const stopped: unknown[] = [];
      const finished = lab.api.session.runs.onDidFinish((end) => stopped.push(end.status));
      await vscode.commands.executeCommand("testing.cancelRun");
      await until("it is being stopped", () => recorded.run.token.isCancellationRequested);
      await until("v4: it says so at once", () => lab.api.statusBar.text.includes("stopping…"));
      assert.ok(recorded.told.some(({ text }) => text?.startsWith("Stopping")));
      assert.equal(lab.api.session.runs.isRunning, true);
      await vscode.commands.executeCommand("testing.cancelRun");
      await until("it was killed", () => stopped.length > 0);
      finished.dispose();
      assert.deepEqual(stopped, ["killed"]);
      assert.ok(!recorded.told.some(({ id, what }) => what === "started" && id?.endsWith("test_after")));
      await until("v10: the end is told", () => lab.api.statusBar.text.endsWith("$(circle-slash) killed"));
      // VS Code has ended its run by then, but for the text of the killed test.
      assert.ok(!lab.api.statusBar.text.includes("pass"));
    });
  });

  describe("continuous run", () => {
    it("runs what a saved file affects, under the request that turned it on", async () => {
      const { run } = lab.api.profiles;
      const source = new vscode.CancellationTokenSource();
      const request = new vscode.TestRunRequest(undefined, undefined, run, true);
      await run.runHandler(request, source.token);
      await rewrite(file("cafe/prices.py"), (text) => `${text}\n# changed\n`);
      const recorded = await ended(lab, request);
      assert.equal(verdict(recorded, `${PRICES}::test_receipt`)?.what, "passed");
      source.cancel();
    });

    it("a1: saves of data in any language reach the server, which runs what reads it", async () => {
      const { run } = lab.api.profiles;
      const data = ["menu.json", "notes.txt", "query.sql", "NAMES"].map((name) => file(`tests/data/${name}`));
      fs.mkdirSync(file("tests/data").fsPath, { recursive: true });
      data.forEach((uri) => fs.writeFileSync(uri.fsPath, "1\n"));
      const test = [
        "from pathlib import Path",
        "",
        "def test_data():",
        `    for name in ${JSON.stringify(data.map((uri) => uri.fsPath))}:`,
        "        assert Path(name).read_text()",
      ];
      fs.writeFileSync(file("tests/test_data.py").fsPath, test.join("\n"));
      const id = "tests/test_data.py::test_data";
      await lab.api.session.collect(false);
      assert.equal(verdict(await runItems(lab, [id]), id)?.what, "passed");
      const source = new vscode.CancellationTokenSource();
      const request = new vscode.TestRunRequest(undefined, undefined, run, true);
      await run.runHandler(request, source.token);
      for (const [index, uri] of data.entries()) {
        await rewrite(uri, () => "2\n");
        await until(`${uri.path} ran it`, () => {
          const all = lab.recorded.filter((each) => each.request === request);
          return all.length === index + 1 && all.every((each) => verdict(each, id)?.what === "passed");
        });
      }
      source.cancel();
    });

    it("repeats a selection at the saves that can reach it, of code and of data", async () => {
      const { run } = lab.api.profiles;
      const source = new vscode.CancellationTokenSource();
      const item = await confirmed(lab, `${PRICES}::test_unknown_item`);
      const reader = await confirmed(lab, "tests/test_data.py::test_data");
      const request = new vscode.TestRunRequest([item, reader], undefined, run, true);
      const data = file("tests/data/menu.json");
      const readme = file("README.md");
      fs.writeFileSync(readme.fsPath, "Tea.\n");
      const ran = (count: number): Promise<unknown> =>
        until(`it ran ${count} times`, () => {
          const all = lab.recorded.filter((each) => each.request === request);
          return all.length === count && all.every(({ told }) => told.some(({ what }) => what === "end"));
        });
      await run.runHandler(request, source.token);
      await ran(1);
      await rewrite(file("cafe/prices.py"), (text) => text.replace("\n# changed\n", ""));
      await ran(2);
      await rewrite(readme, () => "Coffee.\n");
      await rewrite(file("tests/test_orders.py"), (text) => `${text}\n# changed\n`);
      await rewrite(data, () => '{"tea": 150}\n');
      // Saves are asked for in their order: were the others no strangers, there would be more runs by now.
      await ran(3);
      source.cancel();
      for (const name of ["tests/data", "tests/test_data.py", "README.md"]) {
        fs.rmSync(file(name).fsPath, { recursive: true });
      }
    });
  });
}
