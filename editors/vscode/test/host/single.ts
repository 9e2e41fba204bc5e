/** One folder: the tree, runs and their results, cancelling, continuous run, a server that dies. */
import * as assert from "node:assert/strict";
import * as fs from "node:fs";
import * as vscode from "vscode";

import { confirmed, ended, enter, file, folder, type Lab, plain, rewrite, runItems, until, verdict } from "./lab";

const PRICES = "tests/test_prices.py";

export function single(): void {
  let lab: Lab;
  before(async () => {
    lab = await enter();
    await confirmed(lab, "tests/test_kitchen.py");
  });

  describe("tree", () => {
    it("has files, classes, functions and cases in source order", async () => {
      const prices = await confirmed(lab, PRICES);
      await until("the file is shown whole", () => prices.children.size === 4);
      assert.equal(prices.parent?.id, "tests");
      const order: string[] = [];
      prices.children.forEach((item) => order.push(item.label));
      const byPosition = [...prices.children]
        .map(([, item]) => item)
        .sort((a, b) => (a.range?.start.line ?? 0) - (b.range?.start.line ?? 0))
        .map((item) => item.label);
      assert.deepEqual(byPosition, ["test_price · 4 cases", "test_unknown_item", "test_discount", "test_receipt"]);
      const cases = prices.children.get(`${PRICES}::test_price`);
      assert.equal(cases?.children.size, 4);
      const labels = [...cases.children].map(([, item]) => [item.sortText ?? "", item.label] as const).sort();
      assert.deepEqual(
        labels.map(([, label]) => label),
        ["espresso-250", "cappuccino-380", "cake-420", "water-200"].map((label) => `test_price[${label}]`),
      );
    });

    it("tags markers, skips and expected failures", async () => {
      const tags = async (id: string): Promise<string[]> => (await confirmed(lab, id)).tags.map((tag) => tag.id);
      assert.ok((await tags("tests/test_kitchen.py::test_oven_heats_up")).includes("slow"));
      assert.ok((await tags("tests/test_orders.py::test_tip")).includes("skip"));
      assert.ok((await tags("tests/test_orders.py::test_half_a_cake")).includes("xfail"));
    });

    it("is changed in place when a test is added, and when it goes", async () => {
      const prices = await confirmed(lab, PRICES);
      const receipt = await confirmed(lab, `${PRICES}::test_receipt`);
      const added = "\n\ndef test_added():\n    assert True\n";
      await rewrite(file(PRICES), (text) => text + added);
      await confirmed(lab, `${PRICES}::test_added`);
      assert.equal(lab.api.session.tree.peek(folder(), PRICES), prices);
      assert.equal(lab.api.session.tree.peek(folder(), `${PRICES}::test_receipt`), receipt);
      await rewrite(file(PRICES), (text) => text.replace(added, ""));
      await until("it is gone", () => !lab.api.session.tree.peek(folder(), `${PRICES}::test_added`));
      assert.equal(prices.children.size, 4);
    });

    it("puts a case that comes between others in its place", async () => {
      const cases = await confirmed(lab, `${PRICES}::test_price`);
      await rewrite(file(PRICES), (text) => text.replace('("cake"', '("cookie", 1),\n        ("cake"'));
      await confirmed(lab, `${PRICES}::test_price[cookie-1]`);
      const labels = (): string[] =>
        [...cases.children]
          .map(([, item]) => [item.sortText ?? "", item.label] as const)
          .sort()
          .map(([, label]) => label);
      assert.deepEqual(
        labels(),
        ["espresso-250", "cappuccino-380", "cookie-1", "cake-420", "water-200"].map((label) => `test_price[${label}]`),
      );
      await rewrite(file(PRICES), (text) => text.replace('("cookie", 1),\n        ', ""));
      await until("it is gone", () => cases.children.size === 4);
    });

    it("says what is wrong with a file that does not import, and keeps its tests", async () => {
      const orders = await confirmed(lab, "tests/test_orders.py");
      await rewrite(file("tests/test_orders.py"), (text) => `import nonsense_that_is_not_there\n${text}`);
      const error = await until("the error is told", () => orders.error);
      assert.match(plain(error), /nonsense_that_is_not_there/);
      assert.ok(orders.children.size > 0, "the last good tests are still there");
      await rewrite(file("tests/test_orders.py"), (text) => text.slice(text.indexOf("\n") + 1));
      await until("the error is gone", () => orders.error === undefined);
    });

    it("shows a new file that does not even parse, with its error", async () => {
      const uri = file("tests/test_broken.py");
      fs.writeFileSync(uri.fsPath, "def test_x(:\n    pass\n");
      const tests = await confirmed(lab, "tests");
      const item = await until("it is shown", () => {
        return [...tests.children].map(([, child]) => child).find((child) => child.label === "test_broken.py");
      });
      await until("its error is told", () => item.error);
      fs.rmSync(uri.fsPath);
      await until("it is gone", () => ![...tests.children].some(([, child]) => child.label === "test_broken.py"));
    });
  });

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

    it("repeats a selection at each save", async () => {
      const { run } = lab.api.profiles;
      const source = new vscode.CancellationTokenSource();
      const item = await confirmed(lab, `${PRICES}::test_unknown_item`);
      const request = new vscode.TestRunRequest([item], undefined, run, true);
      await run.runHandler(request, source.token);
      await ended(lab, request);
      await rewrite(file("cafe/prices.py"), (text) => text.replace("\n# changed\n", ""));
      const runs = await until("it ran again", () => {
        const all = lab.recorded.filter((each) => each.request === request);
        return all.length === 2 && all.every(({ told }) => told.some(({ what }) => what === "end")) && all;
      });
      assert.equal(runs.length, 2);
      source.cancel();
    });
  });

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
    /** What the user is told meanwhile; nobody answers. */
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

  describe("debug", () => {
    it("stops at a breakpoint, shows what is there, and goes on to the verdict", async () => {
      const { profiles } = lab.api;
      const id = `${PRICES}::test_price[cake-420]`;
      const uri = file("cafe/prices.py");
      const text = fs.readFileSync(uri.fsPath, "utf8").split("\n");
      const line = text.findIndex((each) => each.includes("return MENU[item]"));
      const breakpoint = new vscode.SourceBreakpoint(new vscode.Location(uri, new vscode.Position(line, 0)));
      const stops: { session: vscode.DebugSession; threadId: number }[] = [];
      const tracker = vscode.debug.registerDebugAdapterTrackerFactory("debugpy", {
        createDebugAdapterTracker: (session) => ({
          onDidSendMessage: (message: { event?: string; body?: { reason?: string; threadId: number } }) => {
            if (message.event === "stopped" && message.body?.reason === "breakpoint") {
              stops.push({ session, threadId: message.body.threadId });
            }
          },
        }),
      });
      vscode.debug.addBreakpoints([breakpoint]);
      try {
        const running = runItems(lab, [id], profiles.debug);
        const { session, threadId } = await until("it stopped", () => stops[0]);
        interface Stack {
          stackFrames: { id: number; line: number; source: { path: string } }[];
        }
        const stack = (await session.customRequest("stackTrace", { threadId, levels: 2 })) as Stack;
        const [top, caller] = stack.stackFrames;
        assert.ok(top && caller);
        assert.ok(top.source.path.endsWith(uri.path));
        assert.equal(top.line, line + 1);
        assert.ok(caller.source.path.endsWith(PRICES));
        const value = (await session.customRequest("evaluate", { expression: "item", frameId: top.id })) as object;
        assert.equal((value as { result: string }).result, "'cake'");
        await session.customRequest("continue", { threadId });
        assert.equal(verdict(await running, id)?.what, "passed");
      } finally {
        vscode.debug.removeBreakpoints([breakpoint]);
        tracker.dispose();
      }
    });

    it("ends, when it is cancelled while it stands at a breakpoint", async () => {
      const { profiles, session } = lab.api;
      const line = fs
        .readFileSync(file(PRICES).fsPath, "utf8")
        .split("\n")
        .findIndex((each) => each.includes("== 399"));
      const breakpoint = new vscode.SourceBreakpoint(new vscode.Location(file(PRICES), new vscode.Position(line, 0)));
      vscode.debug.addBreakpoints([breakpoint]);
      const ends: string[] = [];
      const finished = session.runs.onDidFinish((end) => ends.push(end.status));
      try {
        const item = await confirmed(lab, `${PRICES}::test_discount`);
        const request = new vscode.TestRunRequest([item], undefined, profiles.debug);
        await profiles.debug.runHandler(request, new vscode.CancellationTokenSource().token);
        const stood = await until("it stands", () => vscode.debug.activeStackItem);
        assert.equal(stood.session.type, "debugpy");
        // v4: nothing could finish there, so once is enough.
        await vscode.commands.executeCommand("testing.cancelRun");
        await until("the run ended", () => ends.length > 0);
        await until("the debugger is gone", () => vscode.debug.activeDebugSession === undefined);
        assert.deepEqual(ends, ["killed"]);
      } finally {
        finished.dispose();
        vscode.debug.removeBreakpoints([breakpoint]);
      }
    });
  });

  describe("debugging, ended by the debugger's own buttons", () => {
    /** Starts debugging a test, and waits until it stands at a line of it. */
    async function stand(ids: string[]): Promise<{ breakpoint: vscode.Breakpoint; session: vscode.DebugSession }> {
      const text = fs.readFileSync(file(PRICES).fsPath, "utf8").split("\n");
      const line = text.findIndex((each) => each.includes("== 399"));
      const breakpoint = new vscode.SourceBreakpoint(new vscode.Location(file(PRICES), new vscode.Position(line, 0)));
      vscode.debug.addBreakpoints([breakpoint]);
      await vscode.commands.executeCommand("pytestLens.debug", { ids, workspace: folder() });
      const { session } = await until("it stands", () => vscode.debug.activeStackItem);
      return { breakpoint, session };
    }

    for (const command of ["workbench.action.debug.stop", "workbench.action.debug.disconnect"]) {
      it(`v6: ${command} ends the test`, async () => {
        const ends: string[] = [];
        const finished = lab.api.session.runs.onDidFinish((end) => ends.push(end.status));
        const { breakpoint } = await stand([`${PRICES}::test_discount`]);
        await vscode.commands.executeCommand(command);
        await until("the run ended", () => ends.length > 0);
        assert.deepEqual(ends, ["killed"]);
        await until("the debugger is gone", () => vscode.debug.activeDebugSession === undefined);
        vscode.debug.removeBreakpoints([breakpoint]);
        finished.dispose();
      });
    }

    it("v6: restart debugs the test anew", async () => {
      const before = lab.recorded.length;
      const { breakpoint, session } = await stand([`${PRICES}::test_discount`]);
      await vscode.commands.executeCommand("workbench.action.debug.restart");
      const again = await until("it stands again", () => {
        const now = vscode.debug.activeStackItem?.session;
        return now && now.id !== session.id && now;
      });
      vscode.debug.removeBreakpoints([breakpoint]);
      const { threads } = (await again.customRequest("threads")) as { threads: { id: number }[] };
      await again.customRequest("continue", { threadId: threads[0]?.id });
      const runs = await until("both ended", () => {
        const all = lab.recorded.slice(before);
        return all.length === 2 && all.every(({ told }) => told.some(({ what }) => what === "end")) && all;
      });
      assert.equal(runs[1] && verdict(runs[1], `${PRICES}::test_discount`)?.what, "failed");
      await until("the debugger is gone", () => vscode.debug.activeDebugSession === undefined);
    });
  });

  describe("continuous debugging", () => {
    it("debugs anew at each save, and makes room for itself", async () => {
      const { profiles, session } = lab.api;
      const id = `${PRICES}::test_receipt`;
      const uri = file("cafe/prices.py");
      const line = fs
        .readFileSync(uri.fsPath, "utf8")
        .split("\n")
        .findIndex((each) => each.includes("return lines"));
      const breakpoint = new vscode.SourceBreakpoint(new vscode.Location(uri, new vscode.Position(line, 0)));
      const ends: string[] = [];
      const finished = session.runs.onDidFinish((end) => ends.push(end.status));
      const source = new vscode.CancellationTokenSource();
      const request = new vscode.TestRunRequest([await confirmed(lab, id)], undefined, profiles.debug, true);
      vscode.debug.addBreakpoints([breakpoint]);
      try {
        await profiles.debug.runHandler(request, source.token);
        const first = await until("it stands", () => vscode.debug.activeStackItem?.session);
        await rewrite(uri, (text) => `${text}\n# debugged\n`);
        await until("the session before made room", () => ends.length > 0);
        assert.deepEqual(ends, ["killed"]);
        const second = await until("it stands again", () => {
          const session = vscode.debug.activeStackItem?.session;
          return session && session.id !== first.id && session;
        });
        vscode.debug.removeBreakpoints([breakpoint]);
        const { threads } = (await second.customRequest("threads")) as { threads: { id: number }[] };
        await second.customRequest("continue", { threadId: threads[0]?.id });
        await until("the verdict is there", () =>
          lab.recorded.some((each) => each.request === request && verdict(each, id)?.what === "passed"),
        );
        source.cancel();
        await until("the debugger is gone", () => vscode.debug.activeDebugSession === undefined);
      } finally {
        source.cancel();
        finished.dispose();
        vscode.debug.removeBreakpoints([breakpoint]);
        await rewrite(uri, (text) => text.replace("\n# debugged\n", ""));
      }
    });
  });

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
