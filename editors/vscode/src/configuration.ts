/** Whether a folder has anything to do with pytest: its configuration, or files that look like tests. */
import * as vscode from "vscode";

/** Files that are there for pytest alone, and those in which a section is. */
const OWN = ["pytest.ini", ".pytest.ini", "pytest.toml", ".pytest.toml", "conftest.py"];
const SECTIONS: [string, RegExp][] = [
  ["pyproject.toml", /^\[tool\.pytest/m],
  ["setup.cfg", /^\[tool:pytest\]/m],
  ["tox.ini", /^\[pytest\]/m],
];

/** What pytest takes for files of tests, and where nobody looks for any. */
const TESTS = "**/{test_*,*_test}.py";
const NOWHERE = "**/{.*,node_modules,venv,env,site-packages}/**";

/** What tells that a folder begins to have to do with pytest. */
export const SIGNS = `**/{${[...OWN, ...SECTIONS.map(([name]) => name), "test_*.py", "*_test.py"].join(",")}}`;

/** Whether it says at its top how pytest is to work, or has files that look like tests. */
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
