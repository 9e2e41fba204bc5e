/** The entry: makes the parts, and starts the server. */
import * as vscode from "vscode";

import { registerCommands } from "./commands";
import { watchForConflict } from "./conflict";
import { setActive } from "./context";
import { FlakyView } from "./flakyView";
import { log } from "./log";
import { createProfiles, type Profiles } from "./profiles";
import { Session } from "./session";
import { StatusBar } from "./statusBar";

/** What other extensions, and our tests, may use. */
export interface Api {
  session: Session;
  profiles: Profiles;
  statusBar: StatusBar;
}

let session: Session | undefined;

export function activate(context: vscode.ExtensionContext): Api {
  const controller = vscode.tests.createTestController("pytestLens", "pytest");
  session = new Session(context, controller);
  const profiles = createProfiles(context, session);
  const flaky = new FlakyView(session);
  const statusBar = new StatusBar(session);
  registerCommands(context, session, flaky);
  context.subscriptions.push(controller, session, flaky, statusBar, log);
  setActive();
  void session.start();
  watchForConflict(context);
  return { session, profiles, statusBar };
}

export async function deactivate(): Promise<void> {
  await session?.stop();
}
