/** Why the tests of a folder can't be run at all, as the server says it, and the way out. */
import * as vscode from "vscode";

import { brief, sentence } from "./errors";
import { installation, managed } from "./text";

/** What is the matter with a folder. */
export interface Problem {
  text: string;
  /** The engine's own name for it. */
  code: string | undefined;
  /** What is missing, where it is the environment. */
  lacks?: "noPytest" | "noPython";
}

/** The problem that an error tells. */
export function problemOf(error: unknown): Problem {
  const data: unknown = error instanceof Error && "data" in error ? error.data : undefined;
  const code = (data as { code?: string } | null | undefined)?.code;
  const text = sentence(error);
  if (code !== "python_not_found") {
    return { text, code };
  }
  const lacksPytest = installation(text) ?? managed(text);
  return { text, code, lacks: lacksPytest ? "noPytest" : "noPython" };
}

/** Whether it is the environment: no Python, or no pytest in it. */
export function isEnvironment({ lacks }: Problem): boolean {
  return lacks !== undefined;
}

/** What is the matter, and buttons that help. */
export function wayOut(problem: Problem): vscode.MarkdownString {
  const commands = [
    ...(problem.lacks === "noPytest" ? ["[Install pytest](command:pytestLens.install)"] : []),
    "[Choose Interpreter](command:pytestLens.chooseInterpreter)",
  ];
  const text = new vscode.MarkdownString();
  text.isTrusted = { enabledCommands: ["pytestLens.install", "pytestLens.chooseInterpreter"] };
  text.appendText(brief(problem.text));
  text.appendMarkdown(`\n\n${commands.join(" · ")}`);
  return text;
}
