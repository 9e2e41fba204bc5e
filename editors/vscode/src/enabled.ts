/** The folders of the workspace that are not switched off. */
import * as vscode from "vscode";

/** Whether a folder is switched on. */
function isOn(folder: vscode.WorkspaceFolder): boolean {
  return folder.uri.scheme === "file" && vscode.workspace.getConfiguration("pytestLens", folder).get("enable", true);
}

/** The folders that are on, in the order of the workspace. */
export function openFolders(): readonly vscode.WorkspaceFolder[] {
  return (vscode.workspace.workspaceFolders ?? []).filter(isOn);
}
