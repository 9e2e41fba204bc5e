/**
 * A run's output in a terminal's colors: each test under a heading of its own. Free of VS Code.
 */
import type { RunEnd, TestOutcome } from "./protocol";
import { duration, words } from "./text";

const BOLD = 1;
const DIM = 2;
const RED = 31;
const GREEN = 32;
const YELLOW = 33;

const COLOURS: Record<string, number> = {
  passed: GREEN,
  xpassed: YELLOW,
  failed: RED,
  timed_out: RED,
  error: RED,
  crashed: RED,
  skipped: YELLOW,
  xfailed: YELLOW,
  not_run: DIM,
};

function paint(text: string, ...codes: number[]): string {
  return `\u001b[${codes.join(";")}m${text}\u001b[0m`;
}

/** The line with a test's outcome. */
export function heading(
  outcome: Pick<TestOutcome, "id" | "outcome" | "durationMs" | "attempt" | "willRerun" | "node">,
): string {
  const { id, outcome: what, durationMs, attempt, willRerun, node } = outcome;
  const ran = what !== "not_run" && what !== "skipped";
  const took = ran ? paint(` ${duration(durationMs)}`, DIM) : "";
  const again = attempt > 1 || willRerun ? paint(` attempt ${attempt}`, DIM) : "";
  const place = node ? paint(` on ${node}`, DIM) : "";
  return `${paint(id, BOLD)} ${paint(words(what), COLOURS[what] ?? RED)}${took}${again}${place}\n`;
}

/**
 * The output of a test, pytest's own text of its failure, and why it was skipped or not run; empty if there is none.
 */
export function body(outcome: TestOutcome): string {
  const parts: string[] = [];
  const sections = [
    ["stdout", outcome.stdout],
    ["stderr", outcome.stderr],
    ["log", outcome.log],
  ] as const;
  const told = sections.filter(([, text]) => text);
  for (const [name, text] of told) {
    const title = told.length > 1 ? `${paint(`─── ${name} ───`, DIM)}\n` : "";
    parts.push(`${title}${ended(text ?? "")}`);
  }
  const quiet = ["skipped", "xfailed", "not_run"].includes(outcome.outcome);
  if (quiet && outcome.message) {
    parts.push(ended(outcome.message));
  } else if (outcome.longrepr) {
    parts.push(ended(coloured(outcome.longrepr)));
  }
  return parts.join("");
}

/** pytest's text of a failure with the colours that pytest gives it on a terminal. */
export function coloured(longrepr: string): string {
  if (longrepr.includes("\u001b[")) {
    return longrepr;
  }
  const line = (text: string): string => {
    if (/^E(\s|$)/.test(text)) {
      return paint(text, BOLD, RED);
    }
    if (text.startsWith(">")) {
      return paint(text, BOLD);
    }
    const place = /^(\S.*:\d+: )([\w.]+)$/.exec(text);
    return place ? `${place[1] ?? ""}${paint(place[2] ?? "", BOLD, RED)}` : text;
  };
  return longrepr.split("\n").map(line).join("\n");
}

/** How a run ended. */
export function summary(end: RunEnd): string {
  const { counts } = end;
  const parts = [
    [counts.failed, "failed", RED],
    [counts.errors, counts.errors === 1 ? "error" : "errors", RED],
    [counts.passed, "passed", GREEN],
    [counts.skipped, "skipped", YELLOW],
    [counts.notRun, "not run", DIM],
  ] as const;
  const told = parts.filter(([count]) => count > 0).map(([count, word, colour]) => paint(`${count} ${word}`, colour));
  const how = end.status === "stopped" || end.status === "killed" ? `${end.status}: ` : "";
  const why = end.message ? `\n${end.message}` : "";
  return `${how}${told.join(", ") || "no tests ran"} in ${duration(end.durationMs)}${why}\n`;
}

/** The same without colors and other escape sequences. */
export function plain(text: string): string {
  return text.replace(/\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)|[@-Z\\-_])/g, "");
}

function ended(text: string): string {
  return text.endsWith("\n") ? text : `${text}\n`;
}
