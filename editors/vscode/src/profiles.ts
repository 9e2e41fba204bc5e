/** The run profiles: Run, Debug and Coverage, each a translation of VS Code's request into the server's commands. */
import * as vscode from "vscode";

import { Continuous } from "./continuous";
import { Coverage } from "./coverage";
import { debugTests } from "./debug";
import { openFolders } from "./enabled";
import { runName } from "./labels";
import { tell } from "./log";
import type { Options } from "./options";
import type { FolderRun, Shown } from "./runs";
import type { Session } from "./session";

/** The profiles, for runs that the user starts. */
export interface Profiles {
  run: vscode.TestRunProfile;
  debug: vscode.TestRunProfile;
  coverage: vscode.TestRunProfile;
}

/** The names of the profiles; a label includes the filter. */
export const PROFILES = ["Run", "Debug", "Coverage"] as const;
export type ProfileName = (typeof PROFILES)[number];

/** Creates the profiles. */
export function createProfiles(context: vscode.ExtensionContext, session: Session, options: Options): Profiles {
  const { controller } = session;
  const continuous = new Continuous(session);
  const coverage = new Coverage(session);
  const { Run, Debug, Coverage: Covered } = vscode.TestRunProfileKind;
  const select = (name: ProfileName, request: vscode.TestRunRequest): FolderRun[] =>
    selections(session, options, name, request);
  const show = (name: ProfileName, request: vscode.TestRunRequest): Shown => shown(options, name, request);

  const run = controller.createRunProfile("Run", Run, async (request, token) => {
    const start = (asked: vscode.TestRunRequest): Promise<void> =>
      session.runs.start(asked, select("Run", asked), show("Run", asked));
    await (request.continuous ? continuous.run(request, token, start) : start(request));
  });
  run.isDefault = true;
  run.supportsContinuousRun = true;
  session.runs.profile = run;

  const debug = controller.createRunProfile("Debug", Debug, async (request, token) => {
    const start = (asked: vscode.TestRunRequest): Promise<void> =>
      debugTests(session, asked, select("Debug", asked)).catch(tell);
    await (request.continuous ? continuous.repeat(request, token, start) : start(request));
  });
  debug.isDefault = true;
  debug.supportsContinuousRun = true;

  const covered = controller.createRunProfile("Coverage", Covered, async (request, token) => {
    const start = (asked: vscode.TestRunRequest): Promise<void> =>
      session.runs.start(
        asked,
        select("Coverage", asked).map((selection) => ({ ...selection, coverage: true })),
        show("Coverage", asked),
        (done, end) => coverage.finish(done, end),
      );
    await (request.continuous ? continuous.repeat(request, token, start) : start(request));
  });
  covered.isDefault = true;
  covered.supportsContinuousRun = true;
  covered.loadDetailedCoverage = (_, file) => Promise.resolve(coverage.details(file));
  covered.loadDetailedCoverageForTest = (_, file, test) => Promise.resolve(coverage.details(file, test));

  const all: Record<ProfileName, vscode.TestRunProfile> = { Run: run, Debug: debug, Coverage: covered };
  const label = (): void => {
    for (const name of PROFILES) {
      const filter = options.filter(name);
      all[name].label = filter ? `${name} (${filter})` : name;
    }
    const isFiltered = PROFILES.some((name) => options.filter(name));
    void vscode.commands.executeCommand("setContext", "pytestLens.filtered", isFiltered);
  };
  for (const name of PROFILES) {
    all[name].configureHandler = () => void options.configure(name);
  }
  label();
  context.subscriptions.push(run, debug, covered, continuous, options.onDidChange(label));
  return { run, debug, coverage: covered };
}

/** The options for showing a request's run: it names the filter in force. */
function shown(options: Options, name: ProfileName, request: vscode.TestRunRequest): Shown {
  const filter = options.filter(name);
  if (request.include || !filter) {
    return {};
  }
  return {
    name: runName({ profile: name, filter }),
    note: `Only tests that match ${filter}, as the options of the profile ${name} say.`,
    filter: {
      text: `the filter ${filter} of the profile ${name} is in force`,
      clear: { label: "Clear the Filter", act: () => options.clear(name) },
    },
  };
}

/** The parts of a request by folder, with the options of its profile. */
export function selections(
  session: Session,
  options: Options,
  name: ProfileName,
  request: vscode.TestRunRequest,
): FolderRun[] {
  const chosen = options.of(name, request.include === undefined);
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
  const all = openFolders().map(({ uri }) => uri.toString());
  if (request.include) {
    request.include.forEach(add);
  } else {
    all.forEach((folder) => whole.add(folder));
  }
  const found: FolderRun[] = [];
  // A request for all tests leaves out folders that do not use pytest, if others do.
  const living = request.include ? all : all.filter((workspace) => !session.isIdle(workspace));
  for (const workspace of living.length > 0 ? living : all) {
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
