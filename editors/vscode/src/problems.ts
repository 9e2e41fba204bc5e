/** The server's reason why the tests of a folder can't run at all, and the way out. */
import * as vscode from "vscode";

import { brief, sentence } from "./errors";
import { installation, managed } from "./text";

/** The problem of a folder. */
export interface Problem {
  text: string;
  /** The engine's name of the problem. */
  code: string | undefined;
  /** The missing package, if the environment lacks one. */
  lacks?: "noPytest" | "noPython";
}

/** The problem in an error. */
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

/** Whether the environment is the problem: no Python, or no pytest in it. */
export function isEnvironment({ lacks }: Problem): boolean {
  return lacks !== undefined;
}

/** The problem in a sentence, and buttons with ways out. */
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
