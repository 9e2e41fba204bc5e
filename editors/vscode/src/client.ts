/** The LSP client: starts the server, passes its notifications on, and sends requests. */
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

/** The data that the client needs from the other parts, and its events for them. */
export interface Host {
  /** The settings of a folder, in the server's form. */
  settings(folder: vscode.WorkspaceFolder | undefined): unknown;
  take<M extends keyof Notifications>(method: M, params: Notifications[M]): void;
  /** The server is ready, for the first time or again. */
  running(): void;
  /** The server has ended. */
  gone(): void;
  /** The server has ended and is not restarted. */
  gaveUp(): void;
  /** The server has a message for the user. */
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
  "pytestLens/staleOutcomes",
] as const satisfies (keyof Notifications)[];

/**
 * The extension registers the server's commands itself, because it knows the cursor and the explorer: the library must
 * not register them as well.
 */
class LensClient extends LanguageClient {
  /** The folders that the server received when it started. */
  told: readonly vscode.WorkspaceFolder[] = [];

  override registerFeature(feature: StaticFeature | DynamicFeature<unknown>): void {
    if ("registrationType" in feature && feature.registrationType.method === "workspace/executeCommand") {
      return;
    }
    super.registerFeature(feature);
  }

  /** The server does not learn of folders that are switched off. */
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

/** The extension's connection to the server. */
export class Client implements Server, vscode.Disposable {
  readonly #client: LensClient;
  readonly #recovery: Recovery;
  readonly #subscriptions: vscode.Disposable[] = [];
  /** The trust that the server last received. */
  #toldTrust = false;
  /** The settings have changed while the server was starting, and it knows the old ones. */
  #isBehind = false;
  /** Resolves when the server has received the trust: no command overtakes it. */
  #telling: Promise<void> = Promise.resolve();
  /** The server's diagnostics by file, shown or not. */
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
        // A message could not be read or written; if the pipe is broken, `closed` follows.
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
        // Our own quick fixes at marked failures include these and more.
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
          // `foldersChanged` reports folders, because it knows which of them are on.
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

  /** Restarts the server, at the user's request. */
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
      throw new Error("the server is not running: see the log, or restart it");
    }
    await this.#telling;
    const params = { command, arguments: [argument] };
    return this.#client.sendRequest<Commands[C][1]>("workspace/executeCommand", params);
  }

  /** The folders that the server received when it started. */
  get told(): readonly vscode.WorkspaceFolder[] {
    return this.#client.told;
  }

  /** The server is ready: it receives the changes since its start. */
  async catchUp(): Promise<void> {
    // At its start it received only the settings of the first folder.
    if (this.#isBehind || this.told.length > 1) {
      this.#isBehind = false;
      await this.settingsChanged();
    }
    await this.trustChanged();
  }

  /** The settings changed: the server requests those of each folder. */
  async settingsChanged(): Promise<void> {
    if (!this.isRunning) {
      this.#isBehind = true;
    } else {
      await this.#client.sendNotification("workspace/didChangeConfiguration", { settings: null });
    }
  }

  /** Folders were opened, closed or switched. */
  async foldersChanged(
    added: readonly vscode.WorkspaceFolder[],
    removed: readonly vscode.WorkspaceFolder[],
  ): Promise<void> {
    if (this.isRunning && added.length + removed.length > 0) {
      const event = { added: added.map(named), removed: removed.map(named) };
      await this.#client.sendNotification("workspace/didChangeWorkspaceFolders", { event });
    }
  }

  /** Diagnostics were switched on or off. */
  showDiagnostics(): void {
    for (const [key, diagnostics] of this.#diagnostics) {
      const uri = vscode.Uri.parse(key);
      this.#client.diagnostics?.set(uri, areShown(uri) ? diagnostics : []);
    }
  }

  /** Sends the trust of the workspace, unless the server knows it: it may have been given while the server started. */
  async trustChanged(): Promise<void> {
    const trusted = vscode.workspace.isTrusted;
    if (this.isRunning && this.#toldTrust !== trusted) {
      this.#toldTrust = trusted;
      this.#telling = this.settingsChanged()
        .then(() => this.#client.sendNotification("pytestLens/trust", { trusted }))
        // The server is gone: the next one receives everything at its start.
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
