/** Two explorers for the same tests confuse users: offers to switch the Python extension's off, once in a workspace. */
import * as vscode from "vscode";

const ASKED = "pytestLens.askedAboutPythonExplorer";

/** Makes the offer if both are on, now or later. */
export function watchForConflict(context: vscode.ExtensionContext): void {
  const offer = (): void => void offerToSwitchOff(context);
  context.subscriptions.push(
    vscode.extensions.onDidChange(offer),
    vscode.workspace.onDidChangeConfiguration((event) => {
      if (event.affectsConfiguration("python.testing.pytestEnabled")) {
        offer();
      }
    }),
  );
  offer();
}

async function offerToSwitchOff(context: vscode.ExtensionContext): Promise<void> {
  const config = vscode.workspace.getConfiguration("python.testing");
  const isThere = vscode.extensions.getExtension("ms-python.python") !== undefined;
  if (!isThere || !config.get<boolean>("pytestEnabled") || context.workspaceState.get<boolean>(ASKED)) {
    return;
  }
  await context.workspaceState.update(ASKED, true);
  const off = "Keep Only pytest-lens";
  const choice = await vscode.window.showInformationMessage(
    "The Python extension shows the same pytest tests in the Test Explorer as pytest-lens. Keep only pytest-lens?",
    off,
    "Keep Both",
  );
  if (choice === off) {
    await switchOff(config);
  }
}

/** Only the user changes a file of the repository: the settings are opened instead. */
async function switchOff(config: vscode.WorkspaceConfiguration): Promise<void> {
  const set = config.inspect<boolean>("pytestEnabled");
  if (set?.globalValue) {
    await config.update("pytestEnabled", false, vscode.ConfigurationTarget.Global);
  }
  const shared = set?.workspaceFolderValue ?? set?.workspaceValue;
  if (!shared) {
    return;
  }
  const open = "Open Settings";
  const text =
    "python.testing.pytestEnabled is set in the settings of this workspace, which may be shared: change it there.";
  if ((await vscode.window.showInformationMessage(text, open)) === open) {
    await vscode.commands.executeCommand("workbench.action.openWorkspaceSettings", {
      query: "python.testing.pytestEnabled",
    });
  }
}
