// A stand-in for the Python extension, for tests: an interpreter is chosen in it, and another can be.
const vscode = require("vscode");

exports.activate = (context) => {
  const changed = new vscode.EventEmitter();
  context.subscriptions.push(changed);
  let path = vscode.Uri.joinPath(vscode.workspace.workspaceFolders[0].uri, ".venv/bin/python").fsPath;
  return {
    environments: {
      getActiveEnvironmentPath: () => ({ path }),
      onDidChangeActiveEnvironmentPath: changed.event,
    },
    choose(other) {
      path = other;
      changed.fire();
    },
  };
};
