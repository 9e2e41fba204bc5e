/** Debugging: breakpoints, the ways it ends, and continuous debugging. */
import * as assert from "node:assert/strict";
import * as fs from "node:fs";
import * as vscode from "vscode";

import { confirmed, file, folder, rewrite, runItems, until, verdict } from "../lab";
import { lab, PRICES } from "./window";

export function debug(): void {
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

    it("v6: restart debugs the test again", async () => {
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
    it("debugs again at each save, and ends the session before", async () => {
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
}
