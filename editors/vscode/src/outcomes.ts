/** Outcomes in VS Code: states, messages with diff and stack, and the output of each test. */
import * as vscode from "vscode";

import { body, coloured, heading } from "./print";
import type { Hint, Location, TestOutcome } from "./protocol";
import { crlf, flakySentence, words } from "./text";
import { asRange } from "./tree";

/** The context value of our messages, for their menus. */
export const MESSAGE_CONTEXT = "pytestLens";

/** VS Code's state for each outcome; an outcome without one leaves the test unchanged. */
const STATES: Record<string, "passed" | "failed" | "errored" | "skipped"> = {
  passed: "passed",
  xpassed: "passed",
  failed: "failed",
  timed_out: "failed",
  error: "errored",
  crashed: "errored",
  skipped: "skipped",
  xfailed: "skipped",
};

/** Whether an outcome is shown as a failure. */
export function isFailure(outcome: string): boolean {
  return STATES[outcome] === "failed" || STATES[outcome] === "errored";
}

/** Reports the outcome of a test to a run; returns whether it wrote output. */
export function report(
  run: vscode.TestRun,
  test: vscode.TestItem,
  outcome: TestOutcome,
  hint: Hint | undefined,
): boolean {
  const printed = print(run, test, outcome);
  if (outcome.willRerun) {
    run.enqueued(test);
    return printed;
  }
  switch (STATES[outcome.outcome]) {
    case "passed":
      run.passed(test, outcome.durationMs);
      break;
    case "failed":
      run.failed(test, message(test, outcome, hint), outcome.durationMs);
      break;
    case "errored":
      run.errored(test, message(test, outcome, hint), outcome.durationMs);
      break;
    case "skipped":
      run.skipped(test);
      break;
    case undefined:
      break;
  }
  return printed;
}

/** Reports the outcomes of a test's subtests to a run. */
export function reportSubtests(run: vscode.TestRun, tests: vscode.TestItem[], outcome: TestOutcome): void {
  tests.forEach((test, index) => {
    const subtest = outcome.subtests?.[index];
    if (subtest?.outcome === "passed") {
      run.passed(test);
    } else if (subtest?.outcome === "skipped") {
      run.skipped(test);
    } else {
      const told = new vscode.TestMessage(crlf(coloured(subtest?.message ?? "the subtest failed")));
      told.contextValue = MESSAGE_CONTEXT;
      place(told, test, outcome.location);
      run.failed(test, told);
    }
  });
}

function message(test: vscode.TestItem, outcome: TestOutcome, hint: Hint | undefined): vscode.TestMessage {
  const during = outcome.phase && outcome.phase !== "call" ? `in ${outcome.phase}: ` : "";
  const what = outcome.message ?? `the test ${words(outcome.outcome)}`;
  const note = flakySentence(hint);
  const told = new vscode.TestMessage(crlf(`${during}${what}${note ? `\n\n${note}` : ""}`));
  if (outcome.expected !== undefined && outcome.actual !== undefined) {
    told.expectedOutput = outcome.expected;
    told.actualOutput = outcome.actual;
  }
  told.contextValue = MESSAGE_CONTEXT;
  // A broken fixture breaks many tests: each message is at the test's own line, and the stack leads to the fixture.
  place(told, test, isShared(test, outcome) ? undefined : outcome.location);
  // Innermost first, as debuggers show a stack.
  told.stackTrace = (outcome.frames ?? [])
    .map(({ name, location }) => {
      const { uri, range } = location;
      return new vscode.TestMessageStackFrame(name, vscode.Uri.parse(uri), asRange(range).start);
    })
    .reverse();
  return told;
}

/** Whether a failure happened in code that tests share: in set-up or teardown, outside of the test itself. */
function isShared(test: vscode.TestItem, { phase, location }: TestOutcome): boolean {
  if (!location || phase === undefined || phase === "call" || !test.uri || !test.range) {
    return false;
  }
  const isHere = location.uri === test.uri.toString() && test.range.contains(asRange(location.range).start);
  return !isHere;
}

function place(told: vscode.TestMessage, test: vscode.TestItem, location: Location | undefined): void {
  if (location) {
    told.location = new vscode.Location(vscode.Uri.parse(location.uri), asRange(location.range));
  } else if (test.uri && test.range) {
    told.location = new vscode.Location(test.uri, test.range);
  }
}

/** Under a heading of its own: the output of a test, pytest's own text of its failure, or why it was not run. */
function print(run: vscode.TestRun, test: vscode.TestItem, outcome: TestOutcome): boolean {
  const text = body(outcome);
  const isLoud = text !== "" || outcome.outcome !== "passed" || outcome.willRerun === true;
  if (isLoud) {
    run.appendOutput(crlf(`${heading(outcome)}${text}`), undefined, test);
  }
  return isLoud;
}
