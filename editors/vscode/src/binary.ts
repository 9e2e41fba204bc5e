/** Finds the server's binary: as configured, as bundled, or on the PATH. */
import * as fs from "node:fs";
import * as path from "node:path";
import * as vscode from "vscode";

import { expand } from "./settings";

/** The binary to start. */
export function serverPath(context: vscode.ExtensionContext): string {
  const configured = vscode.workspace.getConfiguration("pytestLens").get("serverPath", "").trim();
  if (configured) {
    return expand(configured, vscode.workspace.workspaceFolders?.[0]);
  }
  const name = process.platform === "win32" ? "pytest-lens.exe" : "pytest-lens";
  const bundled = path.join(context.extensionPath, "bin", name);
  return fs.existsSync(bundled) ? bundled : name;
}

/** The command line of the language server. */
export function serverArguments(): string[] {
  const socket = vscode.workspace.getConfiguration("pytestLens").get("daemonSocket", "").trim();
  return socket ? ["lsp", "--connect", expand(socket, undefined)] : ["lsp"];
}
