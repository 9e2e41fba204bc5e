/** The context keys by which package.json decides what is shown. */
import * as vscode from "vscode";

/** Why the tree may be empty. */
export type WelcomeState = "starting" | "ready" | "empty" | "failed" | "noServer" | "untrusted";

/** Says how far it is. */
export function setState(state: WelcomeState): void {
  void vscode.commands.executeCommand("setContext", "pytestLens.state", state);
}

/** Says that the extension is there. */
export function setActive(): void {
  void vscode.commands.executeCommand("setContext", "pytestLens.active", true);
}
