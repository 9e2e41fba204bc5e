/** Whether a folder uses pytest: it has pytest's configuration, or files that look like tests. */
import * as vscode from "vscode";

/** Files that only pytest reads, and files with a section for pytest. */
const OWN = ["pytest.ini", ".pytest.ini", "pytest.toml", ".pytest.toml", "conftest.py"];
const SECTIONS: [string, RegExp][] = [
  ["pyproject.toml", /^\[tool\.pytest/m],
  ["setup.cfg", /^\[tool:pytest\]/m],
  ["tox.ini", /^\[pytest\]/m],
];

/** Globs of pytest's test files, and of folders that are not searched. */
const TESTS = "**/{test_*,*_test}.py";
const NOWHERE = "**/{.*,node_modules,venv,env,site-packages}/**";

/** Files whose creation may mean that a folder uses pytest from now on. */
export const SIGNS = `**/{${[...OWN, ...SECTIONS.map(([name]) => name), "test_*.py", "*_test.py"].join(",")}}`;

/** Whether the folder has a configuration of pytest at its top, or files that look like tests. */
export async function hasToDoWithPytest(folder: vscode.WorkspaceFolder): Promise<boolean> {
  const at = (name: string): vscode.Uri => vscode.Uri.joinPath(folder.uri, name);
  const exists = async (name: string): Promise<boolean> =>
    vscode.workspace.fs.stat(at(name)).then(
      () => true,
      () => false,
    );
  const says = async (name: string, section: RegExp): Promise<boolean> =>
    vscode.workspace.fs.readFile(at(name)).then(
      (bytes) => section.test(new TextDecoder().decode(bytes)),
      () => false,
    );
  const found = await Promise.all([...OWN.map(exists), ...SECTIONS.map(([name, section]) => says(name, section))]);
  if (found.includes(true)) {
    return true;
  }
  const pattern = new vscode.RelativePattern(folder, TESTS);
  return (await vscode.workspace.findFiles(pattern, NOWHERE, 1)).length > 0;
}
