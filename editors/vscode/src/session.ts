/**
 * Where the parts meet: the notifications of the server go to the inventory, the tree, the runs and the views, and a
 * folder that missed some is read anew.
 */
import * as vscode from "vscode";

import { Client, type Host } from "./client";
import { setState, type WelcomeState } from "./context";
import { Folders } from "./folders";
import { Interpreter } from "./interpreter";
import { log, sentence, tell } from "./log";
import type { Notifications, RunOnSave, TestItem } from "./protocol";
import type { FolderStatus } from "./requests";
import { Resolver } from "./resolver";
import { type RunEvent, Runs } from "./runs";
import { folderSettings } from "./settings";
import { Tree } from "./tree";

/** Everything that lives as long as the extension is active. */
export class Session implements Host, vscode.Disposable {
  readonly folders = new Folders();
  readonly tree: Tree;
  readonly runs: Runs;
  readonly client: Client;
  readonly #interpreter = new Interpreter();
  readonly #resolver: Resolver;
  readonly #hinted = new vscode.EventEmitter<void>();
  readonly #collected = new vscode.EventEmitter<string>();
  readonly #syncs = new Map<string, Promise<void>>();
  /** What saving runs while continuous run is on. */
  readonly #onSave = new Map<string, RunOnSave>();
  /** How each folder's tests are run, as far as that is known. */
  readonly status = new Map<string, FolderStatus>();
  /** Flakiness changed. */
  readonly onDidHint = this.#hinted.event;
  /** The tests of a folder are complete. */
  readonly onDidCollect = this.#collected.event;
  /** Why the tree may be empty. */
  state: WelcomeState = "starting";
  #wasRunning = false;

  constructor(
    context: vscode.ExtensionContext,
    readonly controller: vscode.TestController,
  ) {
    this.client = new Client(context, this);
    this.#resolver = new Resolver(this.client, this.folders);
    this.tree = new Tree(controller, this.folders, (folder, file) => this.#resolver.ask(folder, file));
    this.runs = new Runs(controller, this.tree, this.folders, this.client);
    this.tree.setFolders(vscode.workspace.workspaceFolders ?? []);
    controller.resolveHandler = (item) => item && this.tree.resolve(item);
    controller.refreshHandler = () => this.collect(true);
    context.subscriptions.push(
      vscode.workspace.onDidChangeWorkspaceFolders((event) => this.#foldersChanged(event)),
      vscode.workspace.onDidGrantWorkspaceTrust(() => void this.#trusted()),
      vscode.workspace.onDidChangeConfiguration((event) => {
        if (event.affectsConfiguration("pytestLens")) {
          void this.client.settingsChanged();
        }
      }),
      vscode.workspace.onDidOpenTextDocument(({ uri }) => void this.tree.opened(uri)),
      vscode.extensions.onDidChange(() => void this.#followLate()),
      this.runs.onDidFinish(() => void this.#askStatus()),
    );
  }

  async start(): Promise<void> {
    this.#setState("starting");
    await this.#interpreter.follow(() => void this.client.settingsChanged());
    try {
      await this.client.start();
    } catch (error) {
      this.#setState("noServer");
      tell(
        `the server could not be started: ${sentence(error)}. Set pytestLens.serverPath to the pytest-lens binary, or ` +
          "reinstall the extension.",
      );
    }
  }

  /** The Python extension may have been installed just now. */
  async #followLate(): Promise<void> {
    if (await this.#interpreter.follow(() => void this.client.settingsChanged())) {
      await this.client.settingsChanged();
    }
  }

  settings(folder: vscode.WorkspaceFolder | undefined): unknown {
    const runOnSave = folder && this.#onSave.get(folder.uri.toString());
    const pythonPath = this.#interpreter.of(folder);
    return folderSettings(folder, { pythonPath, ...(runOnSave && { runOnSave }) });
  }

  /** Lets saving run tests of a folder whatever its settings say, or no longer. */
  setRunOnSave(folder: string, mode: RunOnSave | undefined): void {
    if (mode) {
      this.#onSave.set(folder, mode);
    } else {
      this.#onSave.delete(folder);
    }
    void this.client.settingsChanged();
  }

  running(): void {
    log.info("the server runs");
    for (const folder of this.folders.all()) {
      folder.newServer();
    }
    if ((vscode.workspace.workspaceFolders?.length ?? 0) > 1) {
      // At the start it was told the settings of the first folder alone.
      void this.client.settingsChanged();
    }
    if (this.#wasRunning) {
      for (const { uri } of this.folders.all()) {
        void this.#resolver.again(uri);
      }
    }
    // The tree is kept over a restart; what is not there any more goes when all has been read anew.
    void this.collect(false, this.#wasRunning);
    this.#wasRunning = true;
  }

  gone(): void {
    this.runs.serverGone();
    this.#resolver.stopWaiting();
  }

  gaveUp(): void {
    this.#setState("noServer");
    const text = "pytest-lens: the server ended again and again, and is not started any more.";
    log.error(text);
    void vscode.window.showErrorMessage(text, "Start It Again", "Show Log").then((choice) => {
      if (choice === "Show Log") {
        log.show();
      } else if (choice) {
        this.client.restart().catch(tell);
      }
    });
  }

  /** Brings the tests of all folders up to date; says what came of it where the tree is empty. */
  async collect(force: boolean, reread = false): Promise<void> {
    const all = vscode.workspace.workspaceFolders ?? [];
    if (!vscode.workspace.isTrusted) {
      this.#setState("untrusted");
      return;
    }
    this.#setState("starting");
    const found = await Promise.all(all.map(({ uri }) => this.#collectFolder(uri.toString(), force, reread)));
    const failed = found.includes(undefined);
    this.#setState(found.some((count) => count) ? "ready" : failed ? "failed" : "empty");
    await this.#askStatus();
  }

  async #collectFolder(workspace: string, force: boolean, reread: boolean): Promise<number | undefined> {
    this.tree.setCollecting(workspace, true);
    try {
      const { nodeCount } = await this.client.execute("pytestLens.collect", { force, workspace });
      if (reread) {
        await this.#resync(workspace);
      }
      this.#collected.fire(workspace);
      return nodeCount;
    } catch (error) {
      // The server shows the same sentence.
      log.error(sentence(error));
      return undefined;
    } finally {
      this.tree.setCollecting(workspace, false);
    }
  }

  take<M extends keyof Notifications>(method: M, params: Notifications[M]): void {
    const folder = this.folders.get(params.workspace);
    if (!folder.inSequence(params.seq)) {
      log.warn(`notifications of ${params.workspace} were missed: its tests are read anew`);
      void this.#resync(params.workspace);
    }
    const event = { method, params } as RunEvent | Inventory | Flakiness;
    switch (event.method) {
      case "pytestLens/inventory": {
        const changes = folder.inventory.apply(event.params);
        const gone = changes.removed;
        folder.mark(
          changes.upserts.map((item) => item.id),
          gone,
        );
        this.tree.apply(folder.uri, changes);
        this.#resolver.told(folder.uri, event.params.wholeFiles ?? []);
        this.#showOpenDocuments(changes.upserts);
        if (this.state !== "ready" && changes.upserts.some((item) => item.kind !== "dir" && !item.provisional)) {
          this.#setState("ready");
        }
        folder.errors = event.params.errors;
        this.tree.showErrors(folder.uri, folder.errors);
        break;
      }
      case "pytestLens/flakinessHint":
        for (const hint of event.params.hints) {
          folder.hints.set(hint.id, hint);
          this.tree.touch(folder.uri, hint.id);
        }
        this.#hinted.fire();
        break;
      default:
        this.runs.take(event);
    }
  }

  /** Files that are new in the tree may be open already. */
  #showOpenDocuments(items: readonly TestItem[]): void {
    const files = new Set(items.filter(({ kind }) => kind === "file").map(({ uri }) => uri));
    for (const { uri } of vscode.workspace.textDocuments) {
      if (files.has(uri.toString())) {
        void this.tree.opened(uri);
      }
    }
  }

  /** Reads a folder's inventory anew as far as it is known: one reading after the other. */
  #resync(workspace: string): Promise<void> {
    const next = (this.#syncs.get(workspace) ?? Promise.resolve()).then(() => this.#read(workspace));
    this.#syncs.set(workspace, next);
    return next;
  }

  /** Reads folders and files, takes away those that are no more, and asks again for what is known of files. */
  async #read(workspace: string): Promise<void> {
    const folder = this.folders.get(workspace);
    folder.beginSync();
    try {
      let cursor: string | undefined;
      do {
        const ask = { workspace, outline: true, ...(cursor && { cursor }) };
        const page = await this.client.execute("pytestLens.tests", ask);
        this.tree.apply(workspace, folder.inventory.apply({ upserts: page.items, removed: [] }));
        folder.mark(
          page.items.map((item) => item.id),
          [],
        );
        cursor = page.next;
      } while (cursor !== undefined);
      this.tree.apply(workspace, folder.inventory.apply({ upserts: [], removed: folder.endSync() }));
      this.#resolver.stopWaiting(workspace);
      await this.#resolver.again(workspace);
    } catch (error) {
      folder.endSync();
      log.warn(`the tests of ${workspace} could not be read anew: ${sentence(error)}`);
    }
  }

  #foldersChanged({ removed }: vscode.WorkspaceFoldersChangeEvent): void {
    for (const { uri } of removed) {
      this.folders.delete(uri.toString());
      this.status.delete(uri.toString());
    }
    this.tree.setFolders(vscode.workspace.workspaceFolders ?? []);
    void this.collect(false);
  }

  async #trusted(): Promise<void> {
    await this.#interpreter.follow(() => void this.client.settingsChanged());
    await this.client.settingsChanged();
    await this.client.trustChanged();
    await this.collect(false);
  }

  async #askStatus(): Promise<void> {
    try {
      const { folders } = await this.client.execute("pytestLens.status", {});
      folders.forEach((status) => this.status.set(status.workspace, status));
      this.#hinted.fire();
    } catch (error) {
      log.debug(`status: ${sentence(error)}`);
    }
  }

  #setState(state: WelcomeState): void {
    this.state = state;
    setState(state);
  }

  async stop(): Promise<void> {
    await this.client.stop();
  }

  dispose(): void {
    this.runs.dispose();
    this.client.dispose();
    this.#interpreter.dispose();
    this.#hinted.dispose();
    this.#collected.dispose();
  }
}

interface Inventory {
  method: "pytestLens/inventory";
  params: Notifications["pytestLens/inventory"];
}

interface Flakiness {
  method: "pytestLens/flakinessHint";
  params: Notifications["pytestLens/flakinessHint"];
}
