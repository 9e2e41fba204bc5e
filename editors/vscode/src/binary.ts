/** Finds the server's binary: as configured, as bundled, in the project's environment, or on the PATH. */
import * as fs from "node:fs";
import * as vscode from "vscode";

import { chooseServer } from "./serverPlaces";
import { expand } from "./settings";

/** The binary to start. */
export function serverPath(context: vscode.ExtensionContext): string {
  const folders = vscode.workspace.workspaceFolders ?? [];
  const configured = vscode.workspace.getConfiguration("pytestLens").get("serverPath", "").trim();
  if (configured) {
    return expand(configured, folders[0]);
  }
  return chooseServer({
    extension: context.extensionPath,
    trusted: vscode.workspace.isTrusted ? folders.map(({ uri }) => uri.fsPath) : [],
    platform: process.platform,
    isFile: (file) => fs.existsSync(file),
  });
}

/** The command line of the language server. */
export function serverArguments(): string[] {
  const socket = vscode.workspace.getConfiguration("pytestLens").get("daemonSocket", "").trim();
  return socket ? ["lsp", "--connect", expand(socket, undefined)] : ["lsp"];
}
