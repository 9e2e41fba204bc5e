/** Texts for people: descriptions, durations, command lines, the flakiness page. */
import * as assert from "node:assert/strict";

import { content } from "../../src/flakyPage";
import type { Hint } from "../../src/protocol";
import { words as shellWords } from "../../src/shell";
import { crlf, duration, flakySentence, installation, managed, remarks } from "../../src/text";

const FLAKY: Hint = {
  id: "a.py::t",
  isFlaky: true,
  failureRate: 0.25,
  flips: 3,
  totalRuns: 8,
  consecutiveFailures: 0,
  consecutivePasses: 1,
  recentOutcomes: ["passed", "failed"],
  evidence: "same_code",
};

describe("texts", () => {
  it("durations read well", () => {
    const all = [0.2, 1, 12.4, 999.4, 1000, 59_000, 61_000].map(duration);
    assert.deepEqual(all, ["<1 ms", "1 ms", "12 ms", "999 ms", "1.00 s", "59.00 s", "1 min 01 s"]);
  });

  it("descriptions tell what the icon does not", () => {
    assert.equal(remarks(undefined, undefined), "");
    assert.equal(remarks(undefined, undefined, 3), "3 cases");
    assert.equal(remarks({ outcome: "passed", durationMs: 12 }, FLAKY), "flaky 25 %");
    assert.equal(remarks({ outcome: "skipped", durationMs: 0 }, undefined), "skipped");
    assert.equal(remarks({ outcome: "xfailed", durationMs: 3 }, undefined), "failed as expected");
  });

  it("flakiness is a sentence", () => {
    assert.match(flakySentence(FLAKY), /flaky: it failed in 25 % of its last 8 runs/);
    assert.equal(flakySentence(undefined), "");
  });

  it("what is to be installed is offered", () => {
    const text = "debugpy is not installed for /v/bin/python: run `/v/bin/python -m pip install debugpy`";
    const words = ["/v/bin/python", "-m", "pip", "install", "debugpy"];
    assert.deepEqual(installation(text), { what: "debugpy", words });
    assert.equal(installation("there is no test at the cursor"), undefined);
  });

  it("v2: where the system manages a Python, an environment is offered, and no advice that pip refuses", () => {
    const text =
      "pytest is not installed for /usr/bin/python3, which the system manages: make an environment with " +
      "`/usr/bin/python3 -m venv .venv` and then run `.venv/bin/python -m pip install pytest`";
    assert.equal(managed(text), "/usr/bin/python3");
    assert.equal(installation(text), undefined);
    assert.equal(managed("create an environment with `python3 -m venv .venv` and install pytest in it"), undefined);
  });

  it("ends of lines are a terminal's", () => {
    assert.equal(crlf("a\nb\r\nc"), "a\r\nb\r\nc");
  });

  it("command lines have quotes", () => {
    assert.deepEqual(shellWords(`-p no:x --k="a b" 'c d' ""`), ["-p", "no:x", "--k=a b", "c d", ""]);
  });

  it("the flakiness page escapes ids and draws a strip", () => {
    const row = { ...FLAKY, id: 'a.py::t[<b>"]', workspace: "file:///p", recent: FLAKY.recentOutcomes };
    const html = content([row], { tracked: 4, problem: undefined, focus: row.id });
    assert.ok(!html.includes("<b>"));
    assert.match(html, /<i class="pass" title="passed"><\/i><i class="fail" title="failed"><\/i>/);
    assert.match(html, /4 tests have a history: 1 passed and failed on the same code\./);
  });
});
