/** Outcomes as VS Code shows them: states, messages with diff and stack, and the output of each test. */
import * as vscode from "vscode";

import type { Hint, Location, TestOutcome } from "./protocol";
import { crlf, flakySentence, words } from "./text";
import { asRange } from "./tree";

/** The context of our messages, for their menus. */
export const MESSAGE_CONTEXT = "pytestLens";

/** Which of VS Code's states stands for an outcome; one that is missing leaves the test as it was. */
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

/** Tells a run what became of a test. */
export function report(run: vscode.TestRun, test: vscode.TestItem, outcome: TestOutcome, hint: Hint | undefined): void {
  print(run, test, outcome);
  if (outcome.willRerun) {
    run.enqueued(test);
    return;
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
}

/** Tells a run what became of the subtests of a test. */
export function reportSubtests(run: vscode.TestRun, tests: vscode.TestItem[], outcome: TestOutcome): void {
  tests.forEach((test, index) => {
    const subtest = outcome.subtests?.[index];
    if (subtest?.outcome === "passed") {
      run.passed(test);
    } else if (subtest?.outcome === "skipped") {
      run.skipped(test);
    } else {
      const told = new vscode.TestMessage(crlf(subtest?.message ?? "the subtest failed"));
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
  place(told, test, outcome.location);
  // Innermost first, as debuggers show a stack.
  told.stackTrace = (outcome.frames ?? [])
    .map(({ name, location }) => {
      const { uri, range } = location;
      return new vscode.TestMessageStackFrame(name, vscode.Uri.parse(uri), asRange(range).start);
    })
    .reverse();
  return told;
}

function place(told: vscode.TestMessage, test: vscode.TestItem, location: Location | undefined): void {
  if (location) {
    told.location = new vscode.Location(vscode.Uri.parse(location.uri), asRange(location.range));
  } else if (test.uri && test.range) {
    told.location = new vscode.Location(test.uri, test.range);
  }
}

/** What a test printed, pytest's own text of its failure, and why it was skipped or not run. */
function print(run: vscode.TestRun, test: vscode.TestItem, outcome: TestOutcome): void {
  const parts: string[] = [];
  if (outcome.attempt > 1 || outcome.willRerun) {
    parts.push(`${test.id}: attempt ${outcome.attempt} ${words(outcome.outcome)}\n`);
  }
  const sections = [
    ["stdout", outcome.stdout],
    ["stderr", outcome.stderr],
    ["log", outcome.log],
  ] as const;
  const told = sections.filter(([, text]) => text);
  for (const [name, text] of told) {
    const heading = told.length > 1 ? `\u001b[2m─── ${name} ───\u001b[0m\n` : "";
    parts.push(`${heading}${text ?? ""}${text?.endsWith("\n") ? "" : "\n"}`);
  }
  const quiet = outcome.outcome === "skipped" || outcome.outcome === "xfailed" || outcome.outcome === "not_run";
  if (quiet && outcome.message) {
    parts.push(`${test.id}: ${words(outcome.outcome)}: ${outcome.message}\n`);
  } else if (outcome.longrepr) {
    parts.push(`${outcome.longrepr}${outcome.longrepr.endsWith("\n") ? "" : "\n"}`);
  }
  if (parts.length > 0) {
    run.appendOutput(crlf(parts.join("")), undefined, test);
  }
}
