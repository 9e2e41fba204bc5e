/** Names of tests and runs, and the output of a run. */
import * as assert from "node:assert/strict";

import { brief, sentence } from "../../src/errors";
import { decoded, itemLabel, itemName, runName } from "../../src/labels";
import { body, coloured, heading, plain, summary } from "../../src/print";
import type { RunEnd, TestOutcome } from "../../src/protocol";

const CASE = { id: "a.py::C::test_quantity[1]", kind: "case", label: "1", parent: "a.py::C::test_quantity" } as const;

describe("names", () => {
  it("v10: a case has its test's name, and reads as it was written", () => {
    assert.equal(itemName(CASE), "test_quantity[1]");
    assert.equal(
      itemName({ ...CASE, label: "caf\\xe9-\\u0416-\\U0001f600-a\\\\b-\\x00-\\n" }),
      "test_quantity[café-Ж-😀-a\\b-\\x00-\\n]",
    );
    assert.equal(decoded("\\ud83d"), "\\ud83d");
  });

  it("v10: a label begins with the name, which a screen reader then reads", () => {
    assert.equal(itemLabel(CASE, "flaky 46 %"), "test_quantity[1] · flaky 46 %");
    assert.equal(itemLabel(CASE, ""), "test_quantity[1]");
  });

  it("v10: runs are named by what ran", () => {
    assert.equal(runName({}), "All tests");
    assert.equal(runName({ filter: "-k total" }), "All tests, -k total");
    assert.equal(runName({ names: ["test_a"] }), "test_a");
    assert.equal(runName({ names: ["test_a", "test_b"], profile: "Debug" }), "Debug: test_a, test_b");
    assert.equal(runName({ names: ["a", "b", "c", "d"], onSave: true }), "a and 3 more (on save)");
    assert.equal(runName({ total: 700 }), "700 tests");
  });
});

describe("output", () => {
  const outcome: TestOutcome = { id: "a.py::t", outcome: "failed", durationMs: 12, attempt: 1 };
  const counts = { total: 0, passed: 0, failed: 0, skipped: 0, errors: 0, notRun: 1 };
  const end: RunEnd = { runId: "r", status: "killed", durationMs: 5, counts };

  it("v10: has a heading for each test, and pytest's colours", () => {
    assert.equal(plain(heading(outcome)), "a.py::t failed 12 ms\n");
    assert.match(heading(outcome), /\u001b\[31mfailed/);
    assert.match(heading({ ...outcome, outcome: "passed" }), /\u001b\[32mpassed/);
    const text = "    def t():\n>       assert 1 == 2\nE       assert 1 == 2\n\na.py:2: AssertionError";
    assert.equal(plain(coloured(text)), text);
    assert.match(coloured(text), /\u001b\[1;31mE {7}assert 1 == 2/);
    assert.match(coloured(text), /a\.py:2: \u001b\[1;31mAssertionError/);
    const coloured_ = "\u001b[31mE\u001b[0m";
    assert.equal(coloured(coloured_), coloured_);
  });

  it("v4: what a killed test printed is kept", () => {
    const killed: TestOutcome = { ...outcome, outcome: "not_run", message: "the run was killed", stdout: "so far\n" };
    assert.equal(body(killed), "so far\nthe run was killed\n");
  });

  it("v10: a killed run says so", () => {
    assert.equal(plain(summary(end)), "killed: 1 not run in 5 ms\n");
  });

  it("v9: escape sequences are for terminals", () => {
    assert.equal(plain("\u001b[1;31mred\u001b[0m \u001b]8;;http://x\u0007link\u001b]8;;\u0007"), "red link");
  });
});

describe("errors", () => {
  it("v9: a notification has one line, of a traceback the one that names the error", () => {
    const trace =
      "conftest.py can't be imported:\nTraceback (most recent call last):\n  File \"x\"\nKeyError: 'HOME'\n";
    assert.equal(brief(trace), "conftest.py can't be imported: KeyError: 'HOME'");
    assert.equal(brief("one\ntwo"), "one");
    assert.equal(brief("x".repeat(500)).length, 240);
    assert.equal(brief("\u001b[31mred\u001b[0m"), "red");
  });

  it("v9: what the library says of a server that went is a sentence", () => {
    for (const text of ["Connection is disposed.", "Pending response rejected since connection got disposed"]) {
      assert.match(sentence(new Error(text)), /^the server ended before it answered/);
    }
    assert.equal(sentence(new Error("no test was selected")), "no test was selected");
  });
});
