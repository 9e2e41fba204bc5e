/** What happens when the server dies: it is started again, later each time, and the user is told once. */
/** A server that lived for so long was healthy: the count begins anew. */
const HEALTHY_MS = 60_000;

/** Pauses before each new start; after the last one it stays down. */
const PAUSES_MS = [0, 500, 1_000, 2_000, 5_000, 10_000, 20_000];

/** The clock and the voice of the recovery. */
export interface Surroundings {
  now(): number;
  pause(ms: number): Promise<void>;
  /** Told at the first death of a series. */
  restarting(): void;
  /** Told when it is given up. */
  gaveUp(): void;
}

/** Decides on restarts. */
export class Recovery {
  #deaths = 0;
  #last = Number.NEGATIVE_INFINITY;
  /** The user restarts it: no death to speak of. */
  #expected = false;

  constructor(private readonly around: Surroundings) {}

  /** The server is gone: resolves, after a pause, to whether it is to be started again. */
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

  /** The user wants it to run again: what was before does not count. */
  reset(): void {
    this.#deaths = 0;
    this.#last = Number.NEGATIVE_INFINITY;
  }

  /** It ends because it is told to. */
  expect(expected: boolean): void {
    this.#expected = expected;
  }
}
