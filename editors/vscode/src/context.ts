/** The context keys by which package.json decides what is shown. */
import * as vscode from "vscode";

/** Why the tree may be empty; `idle` is a folder that has nothing to do with pytest. */
export type WelcomeState =
  "starting" | "ready" | "empty" | "idle" | "failed" | "noPytest" | "noPython" | "noServer" | "untrusted";

/** Says how far it is. */
export function setState(state: WelcomeState): void {
  void vscode.commands.executeCommand("setContext", "pytestLens.state", state);
}

/** Says that the extension is there. */
export function setActive(): void {
  void vscode.commands.executeCommand("setContext", "pytestLens.active", true);
}
