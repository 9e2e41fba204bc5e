/** Outcomes, durations and flakiness in words for users. */
import type { LastOutcome } from "./folders";
import type { Hint } from "./protocol";

/** A duration, from milliseconds. */
export function duration(ms: number): string {
  if (ms < 1) {
    return "<1 ms";
  }
  if (ms < 999.5) {
    return `${ms.toFixed(0)} ms`;
  }
  if (ms < 59_995) {
    return `${(ms / 1000).toFixed(2)} s`;
  }
  return `${Math.floor(ms / 60_000)} min ${((ms % 60_000) / 1000).toFixed(0).padStart(2, "0")} s`;
}

/** A share as a percentage. */
export function percent(share: number): string {
  return `${(share * 100).toFixed(0)} %`;
}

/** Outcomes that an icon of the tree does not show by itself. */
const WORDS: Record<string, string> = {
  skipped: "skipped",
  error: "error",
  xfailed: "failed as expected",
  xpassed: "passed unexpectedly",
  timed_out: "timed out",
  crashed: "crashed",
  not_run: "not run",
};

/** An outcome in words. */
export function words(outcome: string): string {
  return WORDS[outcome] ?? outcome;
}

/** The remarks on a test besides its name and icon; VS Code adds the duration. */
export function remarks(last: LastOutcome | undefined, hint: Hint | undefined, caseCount?: number): string {
  const parts: string[] = [];
  if (caseCount !== undefined) {
    parts.push(caseCount === 1 ? "1 case" : `${caseCount} cases`);
  }
  const word = last && WORDS[last.outcome];
  if (word) {
    parts.push(word);
  }
  if (hint?.isFlaky) {
    parts.push(`flaky ${percent(hint.failureRate)}`);
  } else if (hint?.evidence) {
    parts.push("unstable");
  }
  return parts.join(" · ");
}

/** The flakiness of a test, as a sentence; empty if it is stable. */
export function flakySentence(hint: Hint | undefined): string {
  if (hint?.evidence === undefined) {
    return "";
  }
  const share = `it failed in ${percent(hint.failureRate)} of its last ${hint.totalRuns} runs`;
  return hint.isFlaky
    ? `This test is flaky: ${share}, and passed and failed on the same code.`
    : `This test may be flaky: ${share}, with the code changing in between.`;
}

/** The command in a sentence that says what to install, such as "run `PYTHON -m pip install debugpy`". */
export function installation(text: string): { what: string; words: string[] } | undefined {
  const [, python, options, what] = /run `([^`\n]+?) -m pip install ((?:--\w+ )?)([\w.-]+)`/.exec(text) ?? [];
  if (python === undefined || what === undefined || managed(text) !== undefined) {
    return undefined;
  }
  return { what, words: [python, "-m", "pip", "install", ...(options?.trim() ? [options.trim()] : []), what] };
}

/** The Python in a sentence that says that the system manages it, so that an environment has to be created. */
export function managed(text: string): string | undefined {
  return /which the system manages.*?`([^`\n]+?) -m venv \.venv`/.exec(text)?.[1];
}

/** How tests are executed, in words for users. */
export function modeWords(mode: string): string {
  const known: Record<string, string> = {
    embedded: "Copies of a warm interpreter run the tests",
    subprocess: "A fresh interpreter for each run",
  };
  return known[mode] ?? mode;
}

/** Converts line ends to those of a terminal. */
export function crlf(text: string): string {
  return text.replace(/\r?\n/g, "\r\n");
}
