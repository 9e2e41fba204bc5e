/** Asks the server for what lies in files, when somebody looks. It comes by notification, which ends the waiting. */
import type { Folders } from "./folders";
import { log, sentence } from "./log";
import type { Server } from "./requests";

/** The files that were asked for. */
export class Resolver {
  readonly #waiting = new Map<string, { done: Promise<void>; end: () => void }>();

  constructor(
    private readonly server: Server,
    private readonly folders: Folders,
  ) {}

  /** Asks for a file of a folder; done when it was told, or will not be. */
  async ask(workspace: string, file: string): Promise<void> {
    const key = keyOf(workspace, file);
    const waiting = this.#waiting.get(key);
    if (waiting) {
      return waiting.done;
    }
    const { promise: done, resolve: end } = withResolvers();
    this.#waiting.set(key, { done, end });
    const known = await this.#request(workspace, [file]);
    if (!known.includes(file)) {
      this.told(workspace, [file]);
    }
    return done;
  }

  /** Asks again for all that is known of a folder: from a new server, or where notifications were missed. */
  async again(workspace: string): Promise<void> {
    const files = Array.from(this.folders.get(workspace).inventory.told);
    if (files.length > 0) {
      await this.#request(workspace, files);
    }
  }

  /** Files were told. */
  told(workspace: string, files: readonly string[]): void {
    for (const file of files) {
      const key = keyOf(workspace, file);
      this.#waiting.get(key)?.end();
      this.#waiting.delete(key);
    }
  }

  /** The server is gone: it will not answer. */
  serverGone(): void {
    this.#waiting.forEach(({ end }) => end());
    this.#waiting.clear();
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

function keyOf(workspace: string, file: string): string {
  return `${workspace} ${file}`;
}

function withResolvers(): { promise: Promise<void>; resolve: () => void } {
  let resolve = (): void => undefined;
  const promise = new Promise<void>((done) => (resolve = done));
  return { promise, resolve };
}
