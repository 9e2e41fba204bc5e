/** The LSP client: starts the server, hands its notifications on, and asks it. */
import * as vscode from "vscode";
import {
  CloseAction,
  type DynamicFeature,
  ErrorAction,
  type InitializeParams,
  LanguageClient,
  type LanguageClientOptions,
  type MessageType,
  ShowMessageNotification,
  State,
  type StaticFeature,
} from "vscode-languageclient/node";

import { serverArguments, serverPath } from "./binary";
import { openFolders } from "./enabled";
import { SOURCE } from "./fixes";
import { log, type Loudness } from "./log";
import type { Notifications } from "./protocol";
import { Recovery } from "./recovery";
import type { Commands, Server } from "./requests";

/** What the client needs from the rest, and tells it. */
export interface Host {
  /** The settings of a folder, as the server takes them. */
  settings(folder: vscode.WorkspaceFolder | undefined): unknown;
  take<M extends keyof Notifications>(method: M, params: Notifications[M]): void;
  /** The server listens, for the first time or again. */
  running(): void;
  /** It is gone. */
  gone(): void;
  /** It does not come back by itself. */
  gaveUp(): void;
  /** It has something to say to the user. */
  said(loudness: Loudness, text: string): void;
}

const METHODS = [
  "pytestLens/inventory",
  "pytestLens/runStarted",
  "pytestLens/testStarted",
  "pytestLens/testOutcome",
  "pytestLens/output",
  "pytestLens/runFinished",
  "pytestLens/flakinessHint",
] as const satisfies (keyof Notifications)[];

/**
 * The commands of the server are the extension's own, which knows the cursor and the explorer: the library must not
 * register them as well.
 */
class LensClient extends LanguageClient {
  /** The folders that the server was told when it was started. */
  told: readonly vscode.WorkspaceFolder[] = [];

  override registerFeature(feature: StaticFeature | DynamicFeature<unknown>): void {
    if ("registrationType" in feature && feature.registrationType.method === "workspace/executeCommand") {
      return;
    }
    super.registerFeature(feature);
  }

  /** Folders that are switched off are none of the server's business. */
  protected override fillInitializeParams(params: InitializeParams): void {
    super.fillInitializeParams(params);
    this.told = openFolders();
    params.workspaceFolders = this.told.map(named);
  }
}

function named({ uri, name }: vscode.WorkspaceFolder): { uri: string; name: string } {
  return { uri: uri.toString(), name };
}

const LOUDNESS: Partial<Record<MessageType, Loudness>> = { 1: "error", 2: "warning" };

/** The server, as the extension has it. */
export class Client implements Server, vscode.Disposable {
  readonly #client: LensClient;
  readonly #recovery: Recovery;
  readonly #subscriptions: vscode.Disposable[] = [];
  /** What the server was told of trust. */
  #toldTrust = false;
  /** The settings have changed while the server was being started, and it knows the old ones. */
  #isBehind = false;
  /** Done when it was told: no command overtakes that. */
  #telling: Promise<void> = Promise.resolve();
  /** The server's, by file, shown or not. */
  readonly #diagnostics = new Map<string, vscode.Diagnostic[]>();

  constructor(context: vscode.ExtensionContext, host: Host) {
    this.#recovery = new Recovery({
      now: () => Date.now(),
      pause: (ms) => new Promise((done) => setTimeout(done, ms)),
      restarting: () => {
        log.warn("the server ended unexpectedly and is started again");
        void vscode.window
          .showWarningMessage("pytest-lens: the server ended unexpectedly and is started again.", "Show Log")
          .then((choice) => choice && log.show());
      },
      gaveUp: () => host.gaveUp(),
    });
    const command = serverPath(context);
    log.info(`server: ${command}`);
    const executable = { command, args: serverArguments() };
    this.#client = new LensClient("pytestLens", "pytest-lens", executable, this.#options(host));
    for (const method of METHODS) {
      const take = (params: Notifications[typeof method]): void => host.take(method, params);
      this.#subscriptions.push(this.#client.onNotification(method, take));
    }
    this.#subscriptions.push(
      this.#client.onNotification(ShowMessageNotification.type, ({ type, message }) => {
        host.said(LOUDNESS[type] ?? "info", message);
      }),
    );
    let wasRunning = false;
    this.#client.onDidChangeState(({ newState }) => {
      if (newState === State.Running) {
        wasRunning = true;
        host.running();
      } else if (wasRunning) {
        wasRunning = false;
        host.gone();
      }
    });
  }

  #options(host: Host): LanguageClientOptions {
    return {
      documentSelector: [{ scheme: "file", language: "python" }],
      outputChannel: log,
      errorHandler: {
        // A message that could not be read or written; where the pipe is broken, `closed` follows.
        error: () => ({ action: ErrorAction.Continue, handled: true }),
        closed: async () => {
          const again = await this.#recovery.closed();
          return { action: again ? CloseAction.Restart : CloseAction.DoNotRestart, handled: true };
        },
      },
      initializationOptions: () => {
        this.#toldTrust = vscode.workspace.isTrusted;
        this.#isBehind = false;
        return {
          pytestLens: true,
          lazyTests: true,
          lensesAbove: true,
          trusted: this.#toldTrust,
          settings: host.settings(openFolders()[0]),
        };
      },
      middleware: {
        // The Test Results view shows runs already.
        handleWorkDoneProgress: (token, params, next) => {
          if (!String(token).startsWith("pytest-lens/run/")) {
            next(token, params);
          }
        },
        // Where a failure is marked there are quick fixes of ours, with these and more.
        provideCodeActions: async (document, range, context, token, next) => {
          const all = (await next(document, range, context, token)) ?? [];
          const isMarked = context.diagnostics.some(({ source }) => source === SOURCE);
          return isMarked ? all.filter(({ title }) => !/^(Run|Debug) (?!all )/.test(title)) : all;
        },
        handleDiagnostics: (uri, diagnostics, next) => {
          this.#diagnostics.set(uri.toString(), diagnostics);
          next(uri, areShown(uri) ? diagnostics : []);
        },
        workspace: {
          // Folders are told by `foldersChanged`, which knows which of them are on.
          didChangeWorkspaceFolders: () => Promise.resolve(),
          configuration: (params) =>
            params.items.map(({ scopeUri }) => {
              const uri = scopeUri === undefined ? undefined : vscode.Uri.parse(scopeUri);
              return host.settings(uri && vscode.workspace.getWorkspaceFolder(uri));
            }),
        },
      },
    };
  }

  get isRunning(): boolean {
    return this.#client.state === State.Running;
  }

  /** The server's process; for tests. */
  pid(): number | undefined {
    return this.#client.serverProcess?.pid;
  }

  async start(): Promise<void> {
    await this.#client.start();
  }

  /** Ends the server and starts it again, as the user asks. */
  async restart(): Promise<void> {
    this.#recovery.reset();
    this.#recovery.expect(true);
    try {
      if (this.#client.state === State.Running) {
        await this.#client.stop();
      }
    } finally {
      this.#recovery.expect(false);
    }
    await this.#client.start();
  }

  async stop(): Promise<void> {
    this.#recovery.expect(true);
    if (this.#client.needsStop()) {
      await this.#client.stop();
    }
  }

  async execute<C extends keyof Commands>(command: C, argument: Commands[C][0]): Promise<Commands[C][1]> {
    if (!this.isRunning) {
      throw new Error("the server does not run: see the log, or restart it");
    }
    await this.#telling;
    const params = { command, arguments: [argument] };
    return this.#client.sendRequest<Commands[C][1]>("workspace/executeCommand", params);
  }

  /** The folders that the server was told when it was started. */
  get told(): readonly vscode.WorkspaceFolder[] {
    return this.#client.told;
  }

  /** The server listens: it is told what has changed since it was started. */
  async catchUp(): Promise<void> {
    // At the start it was told the settings of the first folder alone.
    if (this.#isBehind || this.told.length > 1) {
      this.#isBehind = false;
      await this.settingsChanged();
    }
    await this.trustChanged();
  }

  /** The settings are others now: the server asks for those of each folder. */
  async settingsChanged(): Promise<void> {
    if (!this.isRunning) {
      this.#isBehind = true;
    } else {
      await this.#client.sendNotification("workspace/didChangeConfiguration", { settings: null });
    }
  }

  /** Other folders are open, or on, than before. */
  async foldersChanged(
    added: readonly vscode.WorkspaceFolder[],
    removed: readonly vscode.WorkspaceFolder[],
  ): Promise<void> {
    if (this.isRunning && added.length + removed.length > 0) {
      const event = { added: added.map(named), removed: removed.map(named) };
      await this.#client.sendNotification("workspace/didChangeWorkspaceFolders", { event });
    }
  }

  /** Diagnostics are shown, or no longer. */
  showDiagnostics(): void {
    for (const [key, diagnostics] of this.#diagnostics) {
      const uri = vscode.Uri.parse(key);
      this.#client.diagnostics?.set(uri, areShown(uri) ? diagnostics : []);
    }
  }

  /** Tells whether the workspace is trusted, unless the server knows: it may have been trusted while that started. */
  async trustChanged(): Promise<void> {
    const trusted = vscode.workspace.isTrusted;
    if (this.isRunning && this.#toldTrust !== trusted) {
      this.#toldTrust = trusted;
      this.#telling = this.settingsChanged()
        .then(() => this.#client.sendNotification("pytestLens/trust", { trusted }))
        // The server is gone: the next one is told when it starts.
        .catch((error: unknown) => log.debug(String(error)));
    }
    await this.#telling;
  }

  dispose(): void {
    vscode.Disposable.from(...this.#subscriptions).dispose();
  }
}

function areShown(uri: vscode.Uri): boolean {
  return vscode.workspace.getConfiguration("pytestLens", uri).get("diagnostics.enable", true);
}
