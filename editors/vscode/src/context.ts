/** The context keys by which `package.json` decides what VS Code shows. */
import * as vscode from "vscode";

/** The reason for an empty tree; `idle` is a folder that does not use pytest. */
export type WelcomeState =
  "starting" | "ready" | "empty" | "idle" | "failed" | "noPytest" | "noPython" | "noServer" | "untrusted";

/** Sets the state. */
export function setState(state: WelcomeState): void {
  void vscode.commands.executeCommand("setContext", "pytestLens.state", state);
}

/** Sets that the extension is active. */
export function setActive(): void {
  void vscode.commands.executeCommand("setContext", "pytestLens.active", true);
}
