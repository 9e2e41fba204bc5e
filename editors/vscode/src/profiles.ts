/** The run profiles: Run, Debug and Coverage, each a translation of VS Code's request into the server's commands. */
import * as vscode from "vscode";

import { Continuous } from "./continuous";
import { Coverage } from "./coverage";
import { debugTests } from "./debug";
import { tell } from "./log";
import { configure, options } from "./options";
import type { FolderRun } from "./runs";
import type { Session } from "./session";

/** The profiles, for those who run by hand. */
export interface Profiles {
  run: vscode.TestRunProfile;
  debug: vscode.TestRunProfile;
  coverage: vscode.TestRunProfile;
}

/** Makes the profiles. */
export function createProfiles(context: vscode.ExtensionContext, session: Session): Profiles {
  const { controller } = session;
  const continuous = new Continuous(session);
  const coverage = new Coverage(session);
  const { Run, Debug, Coverage: Covered } = vscode.TestRunProfileKind;

  const run = controller.createRunProfile("Run", Run, async (request, token) => {
    const start = (asked: vscode.TestRunRequest): Promise<void> =>
      session.runs.start(asked, selections(session, context, asked));
    await (request.continuous ? continuous.run(request, token, start) : start(request));
  });
  run.isDefault = true;
  run.supportsContinuousRun = true;
  session.runs.profile = run;

  const debug = controller.createRunProfile("Debug", Debug, async (request, token) => {
    const start = (asked: vscode.TestRunRequest): Promise<void> =>
      debugTests(session, asked, selections(session, context, asked)).catch(tell);
    await (request.continuous ? continuous.repeat(request, token, start) : start(request));
  });
  debug.isDefault = true;
  debug.supportsContinuousRun = true;

  const covered = controller.createRunProfile("Coverage", Covered, async (request, token) => {
    const start = (asked: vscode.TestRunRequest): Promise<void> =>
      session.runs.start(
        asked,
        selections(session, context, asked).map((selection) => ({ ...selection, coverage: true })),
        (done, end) => coverage.finish(done, end),
      );
    await (request.continuous ? continuous.repeat(request, token, start) : start(request));
  });
  covered.isDefault = true;
  covered.supportsContinuousRun = true;
  covered.loadDetailedCoverage = (_, file) => Promise.resolve(coverage.details(file));
  covered.loadDetailedCoverageForTest = (_, file, test) => Promise.resolve(coverage.details(file, test));

  for (const profile of [run, debug, covered]) {
    profile.configureHandler = () => void configure(context, profile.label);
  }
  context.subscriptions.push(run, debug, covered, continuous);
  return { run, debug, coverage: covered };
}

/** What a request means, folder by folder, with the options of its profile. */
export function selections(
  session: Session,
  context: vscode.ExtensionContext,
  request: vscode.TestRunRequest,
): FolderRun[] {
  const chosen = options(context, request.profile?.label ?? "Run");
  const included = new Map<string, Set<string>>();
  const whole = new Set<string>();
  const add = (item: vscode.TestItem): void => {
    const data = session.tree.data(item);
    if (data?.id === undefined) {
      whole.add(data?.folder ?? "");
    } else {
      included.set(data.folder, (included.get(data.folder) ?? new Set()).add(data.id));
    }
  };
  const excluded = new Map<string, Set<string>>();
  for (const item of request.exclude ?? []) {
    const data = session.tree.data(item);
    if (data?.id !== undefined) {
      excluded.set(data.folder, (excluded.get(data.folder) ?? new Set()).add(data.id));
    }
  }
  const all = (vscode.workspace.workspaceFolders ?? []).map(({ uri }) => uri.toString());
  if (request.include) {
    request.include.forEach(add);
  } else {
    all.forEach((folder) => whole.add(folder));
  }
  const found: FolderRun[] = [];
  for (const workspace of all) {
    const without = excluded.get(workspace) ?? new Set<string>();
    const { inventory } = session.folders.get(workspace);
    if (whole.has(workspace) && without.size === 0) {
      found.push({ workspace, ...chosen });
      continue;
    }
    const top = whole.has(workspace) ? inventory.children().map((item) => item.id) : (included.get(workspace) ?? []);
    const ids = inventory.select(top, without);
    if (ids.length > 0) {
      found.push({ workspace, ids, ...chosen });
    }
  }
  return found;
}
