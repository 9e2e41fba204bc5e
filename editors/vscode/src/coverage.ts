/** Coverage: the server's report, file by file; lines and branches of a file when a person opens it. */
import * as vscode from "vscode";

import type { Notice, RunEnd } from "./protocol";
import type { FileLines } from "./requests";
import type { Session } from "./session";

/** The coverage of runs. */
export class Coverage {
  readonly #lines = new WeakMap<vscode.FileCoverage, { lines: FileLines; workspace: string }>();

  constructor(private readonly session: Session) {}

  /** Fetches the coverage of a run, and passes it to VS Code. */
  async finish(run: vscode.TestRun, { workspace, runId, status }: RunEnd & Notice): Promise<void> {
    if (status === "stopped" || status === "killed") {
      return;
    }
    const { files } = await this.session.client.execute("pytestLens.coverage", { runId, workspace });
    for (const lines of files) {
      const covered = lines.executed.length;
      const branches = (lines.executedBranches?.length ?? 0) + (lines.missingBranches?.length ?? 0);
      const tests = [...new Set(Object.values(lines.contexts ?? {}).flatMap((tests) => tests ?? []))]
        .map((id) => this.session.tree.ensure(workspace, id))
        .filter((test) => test !== undefined);
      const file = new vscode.FileCoverage(
        vscode.Uri.parse(lines.uri),
        new vscode.TestCoverageCount(covered, covered + lines.missing.length),
        branches > 0 ? new vscode.TestCoverageCount(lines.executedBranches?.length ?? 0, branches) : undefined,
        undefined,
        tests,
      );
      this.#lines.set(file, { lines, workspace });
      run.addCoverage(file);
    }
  }

  /** The statements of a file, of all tests or of one. */
  details(file: vscode.FileCoverage, test?: vscode.TestItem): vscode.FileCoverageDetail[] {
    const known = this.#lines.get(file);
    if (!known) {
      return [];
    }
    const { lines } = known;
    const id = test && this.session.tree.data(test)?.id;
    const ran = (line: number): boolean => id === undefined || (lines.contexts?.[line] ?? []).includes(id);
    const all = [
      ...lines.executed.map((line) => [line, ran(line)] as const),
      ...lines.missing.map((line) => [line, false] as const),
    ];
    return all.map(([line, executed]) => {
      const branches = executed ? branchesOf(lines, line) : [];
      return new vscode.StatementCoverage(executed, new vscode.Position(line - 1, 0), branches);
    });
  }
}

/** The branches that leave a line; only if there is more than one. */
function branchesOf(lines: FileLines, line: number): vscode.BranchCoverage[] {
  const from = (pairs: [number, number][] | undefined, executed: boolean): vscode.BranchCoverage[] =>
    (pairs ?? [])
      .filter(([start]) => start === line)
      .map(([, end]) => {
        const where = end < 0 ? "leave the function" : `go to line ${end}`;
        return new vscode.BranchCoverage(executed, new vscode.Position(line - 1, 0), where);
      });
  return [...from(lines.executedBranches, true), ...from(lines.missingBranches, false)];
}
