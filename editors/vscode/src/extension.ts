/** The entry: makes the parts, and starts the server. */
import * as vscode from "vscode";

import { registerCommands } from "./commands";
import { watchForConflict } from "./conflict";
import { setActive } from "./context";
import { followDebuggers } from "./debug";
import { Fixes } from "./fixes";
import { FlakyView } from "./flakyView";
import { log } from "./log";
import { Options } from "./options";
import { createProfiles, type Profiles } from "./profiles";
import { Session } from "./session";
import { StatusBar } from "./statusBar";
import { offerToKill } from "./stopping";

/** The API for other extensions, and for our tests. */
export interface Api {
  session: Session;
  profiles: Profiles;
  options: Options;
  statusBar: StatusBar;
}

let session: Session | undefined;

export function activate(context: vscode.ExtensionContext): Api {
  const controller = vscode.tests.createTestController("pytestLens", "pytest");
  session = new Session(context, controller);
  const options = new Options(context.workspaceState);
  const profiles = createProfiles(context, session, options);
  const flaky = new FlakyView(session);
  const statusBar = new StatusBar(session, options);
  registerCommands(context, { session, profiles, options, flaky });
  context.subscriptions.push(
    controller,
    session,
    options,
    flaky,
    statusBar,
    followDebuggers(session.runs),
    offerToKill(session),
    vscode.languages.registerCodeActionsProvider("python", new Fixes(session), Fixes.metadata),
    log,
  );
  setActive();
  void session.start();
  watchForConflict(context);
  return { session, profiles, options, statusBar };
}

export async function deactivate(): Promise<void> {
  await session?.stop();
}
