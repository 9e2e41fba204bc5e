/** One folder with several projects: an item at the top for each, and each test runs in its own. */
import * as assert from "node:assert/strict";
import * as vscode from "vscode";

import { confirmed, ended, enter, type Lab, runItems, verdict } from "./lab";

const VIEWS = "pkg/api/tests/test_v.py::test_v";
const PAGES = "pkg/web/check_page.py::test_page";

export function mono(): void {
  let lab: Lab;
  before(async () => {
    lab = await enter();
    await confirmed(lab, VIEWS);
    await confirmed(lab, PAGES);
    await confirmed(lab, "test_top.py::test_top");
  });

  describe("nested projects", () => {
    it("b11: have an item each at the top", () => {
      const labels = [...lab.api.session.controller.items].map(([, item]) => item.label);
      assert.deepEqual(labels.sort(), ["pkg/api", "pkg/web", "test_top.py"]);
    });

    it("b11: run with all others as one run, each with its own configuration", async () => {
      const { run } = lab.api.profiles;
      const before = lab.recorded.length;
      const request = new vscode.TestRunRequest(undefined, undefined, run);
      await run.runHandler(request, new vscode.CancellationTokenSource().token);
      const recorded = await ended(lab, request);
      for (const id of [VIEWS, PAGES, "test_top.py::test_top"]) {
        assert.equal(verdict(recorded, id)?.what, "passed", id);
      }
      assert.equal(lab.recorded.length, before + 1);
    });

    it("b11: run by themselves", async () => {
      const recorded = await runItems(lab, ["pkg/api"]);
      const passed = recorded.told.filter(({ what }) => what === "passed").map(({ id }) => id);
      assert.deepEqual(passed, [VIEWS]);
    });
  });
}
