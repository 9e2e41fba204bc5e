/** Asks the server for what lies in files, when somebody looks. It comes by notification, which ends the waiting. */
import type { Folders } from "./folders";
import { log, sentence } from "./log";
import type { Server } from "./requests";

/** Files that are asked for again at a time. */
const TOGETHER = 50;

/** Someone who waits for a file. */
interface Waiting {
  done: Promise<void>;
  end: () => void;
}

/** The files that were asked for. */
export class Resolver {
  /** Those that somebody waits for, by folder. */
  readonly #waiting = new Map<string, Map<string, Waiting>>();
  /** Those that were not told yet, by folder: a server that comes back is asked for them. */
  readonly #wanted = new Map<string, Set<string>>();

  constructor(
    private readonly server: Server,
    private readonly folders: Folders,
  ) {}

  /** Asks for a file of a folder; done when it was told, or will not be. */
  async ask(workspace: string, file: string): Promise<void> {
    const waiting = of(this.#waiting, workspace, () => new Map<string, Waiting>());
    const known = waiting.get(file);
    if (known) {
      return known.done;
    }
    of(this.#wanted, workspace, () => new Set<string>()).add(file);
    let end = (): void => undefined;
    const done = new Promise<void>((told) => (end = told));
    waiting.set(file, { done, end });
    if (!(await this.#request(workspace, [file])).includes(file)) {
      waiting.get(file)?.end();
      waiting.delete(file);
    }
    return done;
  }

  /** Asks again for all that is or should be known of a folder: a new server, or where notifications were missed. */
  async again(workspace: string): Promise<void> {
    const files = [...new Set([...this.folders.get(workspace).inventory.told, ...(this.#wanted.get(workspace) ?? [])])];
    for (let from = 0; from < files.length; from += TOGETHER) {
      await this.#request(workspace, files.slice(from, from + TOGETHER));
    }
  }

  /** Files were told. */
  told(workspace: string, files: readonly string[]): void {
    for (const file of files) {
      this.#wanted.get(workspace)?.delete(file);
      this.#waiting.get(workspace)?.get(file)?.end();
      this.#waiting.get(workspace)?.delete(file);
    }
  }

  /** What was asked for, of a folder or of all, may not be told any more. */
  stopWaiting(workspace?: string): void {
    for (const [folder, waiting] of this.#waiting) {
      if (workspace === undefined || folder === workspace) {
        waiting.forEach(({ end }) => end());
        waiting.clear();
      }
    }
  }

  /** The files that the server knows. */
  async #request(workspace: string, ids: string[]): Promise<string[]> {
    try {
      return (await this.server.execute("pytestLens.resolve", { workspace, ids })).files;
    } catch (error) {
      log.warn(`the tests of ${ids.join(", ")} could not be read: ${sentence(error)}`);
      return [];
    }
  }
}

function of<T>(map: Map<string, T>, key: string, make: () => T): T {
  const found = map.get(key) ?? make();
  map.set(key, found);
  return found;
}
