/** Restarts the server when it dies, after a growing pause, and informs the user once. */
/** A server that lived this long was healthy: the count starts again. */
const HEALTHY_MS = 60_000;

/** Pauses before each restart; after the last one the server stays down. */
const PAUSES_MS = [0, 500, 1_000, 2_000, 5_000, 10_000, 20_000];

/** The clock and the messages of the recovery. */
export interface Surroundings {
  now(): number;
  pause(ms: number): Promise<void>;
  /** Called at the first death of a series. */
  restarting(): void;
  /** Called when it gives up. */
  gaveUp(): void;
}

/** Decides on restarts. */
export class Recovery {
  #deaths = 0;
  #last = Number.NEGATIVE_INFINITY;
  /** The user restarts the server: this is no death. */
  #expected = false;

  constructor(private readonly around: Surroundings) {}

  /** The server is gone: resolves, after a pause, to whether to restart it. */
  async closed(): Promise<boolean> {
    if (this.#expected) {
      return false;
    }
    const now = this.around.now();
    this.#deaths = now - this.#last > HEALTHY_MS ? 1 : this.#deaths + 1;
    this.#last = now;
    const pause = PAUSES_MS[this.#deaths - 1];
    if (pause === undefined) {
      this.around.gaveUp();
      return false;
    }
    if (this.#deaths === 1) {
      this.around.restarting();
    }
    await this.around.pause(pause);
    return true;
  }

  /** The user wants it to run again: earlier deaths do not count. */
  reset(): void {
    this.#deaths = 0;
    this.#last = Number.NEGATIVE_INFINITY;
  }

  /** The server ends on request. */
  expect(expected: boolean): void {
    this.#expected = expected;
  }
}
