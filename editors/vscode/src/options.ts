/** What a profile tells pytest besides the tests: set by its configure button, kept for the workspace. */
import * as vscode from "vscode";

import type { RunOptions } from "./requests";
import { words } from "./shell";

/** What can be set. */
interface Chosen {
  arguments?: string;
  marker?: string;
  keyword?: string;
  workers?: string;
  maxfail?: string;
}

const QUESTIONS: { key: keyof Chosen; label: string; prompt: string; placeHolder: string }[] = [
  {
    key: "marker",
    label: "Marker filter (-m)",
    prompt: "Only tests whose markers match; empty for all",
    placeHolder: "smoke and not slow",
  },
  {
    key: "keyword",
    label: "Keyword filter (-k)",
    prompt: "Only tests whose names match; empty for all",
    placeHolder: "login and not admin",
  },
  {
    key: "arguments",
    label: "Arguments",
    prompt: "Further arguments for pytest, as in a shell",
    placeHolder: "--strict-markers -p no:randomly",
  },
  { key: "workers", label: "Workers", prompt: "Runners at a time; empty as in the settings", placeHolder: "4" },
  {
    key: "maxfail",
    label: "Stop after failures",
    prompt: "Stop after so many failures; empty for never",
    placeHolder: "1",
  },
];

function keyOf(profile: string): string {
  return `pytestLens.options.${profile}`;
}

/** Asks for one option after the other, until the user has had enough. */
export async function configure(context: vscode.ExtensionContext, profile: string): Promise<void> {
  const key = keyOf(profile);
  for (;;) {
    const chosen = context.workspaceState.get<Chosen>(key, {});
    const picks = QUESTIONS.map((question) => ({ ...question, description: chosen[question.key] ?? "" }));
    const title = `pytest: options of “${profile}” in this workspace`;
    const pick = await vscode.window.showQuickPick(picks, { title, placeHolder: "What is to be set?" });
    if (!pick) {
      return;
    }
    const value = await vscode.window.showInputBox({
      title: `${title}: ${pick.label}`,
      prompt: pick.prompt,
      placeHolder: pick.placeHolder,
      value: chosen[pick.key] ?? "",
      validateInput: (text) => complaint(pick.key, text.trim()),
    });
    if (value !== undefined) {
      await context.workspaceState.update(key, { ...chosen, [pick.key]: value.trim() });
    }
  }
}

function complaint(key: keyof Chosen, text: string): string | undefined {
  const isNumber = key === "workers" || key === "maxfail";
  return isNumber && text && !/^[1-9]\d*$/.test(text) ? "a number of at least 1, or nothing" : undefined;
}

/** The options of a profile. */
export function options(context: vscode.ExtensionContext, profile: string): RunOptions {
  const chosen = context.workspaceState.get<Chosen>(keyOf(profile), {});
  return {
    ...(chosen.arguments && { arguments: words(chosen.arguments) }),
    ...(chosen.marker && { marker: chosen.marker }),
    ...(chosen.keyword && { keyword: chosen.keyword }),
    ...(chosen.workers && { workers: Number(chosen.workers) }),
    ...(chosen.maxfail && { maxfail: Number(chosen.maxfail) }),
  };
}
