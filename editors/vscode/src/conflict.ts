/** Two explorers for the same tests confuse: offers to switch the Python extension's off. Asked once a workspace. */
import * as vscode from "vscode";

const ASKED = "pytestLens.askedAboutPythonExplorer";

/** Offers it where both are on, now or later. */
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
  const off = "Switch It Off Here";
  const choice = await vscode.window.showInformationMessage(
    "The Python extension shows the same pytest tests in the Test Explorer as pytest-lens. Keep only pytest-lens?",
    off,
    "Keep Both",
  );
  if (choice === off) {
    await config.update("pytestEnabled", false, vscode.ConfigurationTarget.Workspace);
  }
}
