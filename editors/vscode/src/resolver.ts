/**
 * Requests the tests of files from the server, when somebody looks at them. They come by notification, which ends the
 * wait.
 */
import type { Folders } from "./folders";
import { log, sentence } from "./log";
import type { Server } from "./requests";

/** The most files that are requested again at a time. */
const TOGETHER = 50;

/** A caller that waits for a file. */
interface Waiting {
  done: Promise<void>;
  end: () => void;
}

/** The files that were requested. */
export class Resolver {
  /** Files that a caller waits for, by folder. */
  readonly #waiting = new Map<string, Map<string, Waiting>>();
  /** Files that have not arrived yet, by folder: they are requested again from a server that comes back. */
  readonly #wanted = new Map<string, Set<string>>();

  constructor(
    private readonly server: Server,
    private readonly folders: Folders,
  ) {}

  /** Requests a file of a folder; resolves when it has arrived, or will not. */
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

  /** Requests all known and expected files of a folder again: from a new server, or after notifications were missed. */
  async again(workspace: string): Promise<void> {
    const files = [...new Set([...this.folders.get(workspace).inventory.told, ...(this.#wanted.get(workspace) ?? [])])];
    for (let from = 0; from < files.length; from += TOGETHER) {
      await this.#request(workspace, files.slice(from, from + TOGETHER));
    }
  }

  /** Files have arrived. */
  told(workspace: string, files: readonly string[]): void {
    for (const file of files) {
      this.#wanted.get(workspace)?.delete(file);
      this.#waiting.get(workspace)?.get(file)?.end();
      this.#waiting.get(workspace)?.delete(file);
    }
  }

  /** The requested files, of a folder or of all, may never arrive. */
  stopWaiting(workspace?: string): void {
    for (const [folder, waiting] of this.#waiting) {
      if (workspace === undefined || folder === workspace) {
        waiting.forEach(({ end }) => end());
        waiting.clear();
      }
    }
  }

  /** The files that the server sends. */
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
