/**
 * The options of a profile that narrow a run. They apply to runs of all tests, and never to tests that a person chose.
 * Free of VS Code.
 */
import type { RunOptions } from "./requests";
import { quoted, words } from "./shell";

/** The options of a profile, as the user typed them. */
export interface Chosen {
  arguments?: string;
  marker?: string;
  keyword?: string;
  workers?: string;
  maxfail?: string;
}

/** pytest's options that deselect tests: those with a value, and those without. */
const WITH_VALUE = ["-k", "-m", "--deselect", "--ignore", "--ignore-glob"];
const ALONE = ["--lf", "--last-failed", "--sw", "--stepwise", "--sw-skip", "--stepwise-skip"];

/** The arguments that deselect tests, and the others. */
function parted(line: string): { narrowing: string[]; others: string[] } {
  const narrowing: string[] = [];
  const others: string[] = [];
  const all = words(line);
  for (let at = 0; at < all.length; at++) {
    const word = all[at] ?? "";
    const next = all[at + 1];
    if (WITH_VALUE.includes(word) && next !== undefined) {
      narrowing.push(word, next);
      at += 1;
    } else if (ALONE.includes(word) || isGlued(word)) {
      narrowing.push(word);
    } else {
      others.push(word);
    }
  }
  return { narrowing, others };
}

/** `-kname`, `--deselect=id`. */
function isGlued(word: string): boolean {
  return WITH_VALUE.some((name) =>
    name.startsWith("--") ? word.startsWith(`${name}=`) : word.length > 2 && word.startsWith(name),
  );
}

/** The options of a run: of all tests, or of tests that were chosen. */
export function effective(chosen: Chosen, everything: boolean): RunOptions {
  const { others } = parted(chosen.arguments ?? "");
  const all = everything ? words(chosen.arguments ?? "") : others;
  return {
    ...(all.length > 0 && { arguments: all }),
    ...(everything && chosen.marker && { marker: chosen.marker }),
    ...(everything && chosen.keyword && { keyword: chosen.keyword }),
    ...(chosen.workers && { workers: Number(chosen.workers) }),
    ...(chosen.maxfail && { maxfail: Number(chosen.maxfail) }),
  };
}

/** The options that narrow a run of all tests, as on pytest's command line; empty if none does. */
export function filterText(chosen: Chosen): string {
  const { narrowing } = parted(chosen.arguments ?? "");
  const named = [
    ...(chosen.marker ? ["-m", chosen.marker] : []),
    ...(chosen.keyword ? ["-k", chosen.keyword] : []),
    ...narrowing,
  ];
  return named.map(quoted).join(" ");
}

/** The options without those that narrow. */
export function withoutFilter(chosen: Chosen): Chosen {
  const { others } = parted(chosen.arguments ?? "");
  const rest: Chosen = { ...chosen, arguments: others.map(quoted).join(" ") };
  delete rest.marker;
  delete rest.keyword;
  return rest;
}
