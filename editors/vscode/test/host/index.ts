/** Runs inside the extension host: mocha over the suites of this window. */
import Mocha from "mocha";
import * as util from "node:util";

import { bare } from "./bare";
import { large } from "./large";
import { mono } from "./mono";
import { multi } from "./multi";
import { say } from "./say";
import { shared } from "./shared";
import { single } from "./single";

const SUITES: Record<string, () => void> = { single, multi, mono, shared, bare, large };

/** Called by VS Code; rejects where a test failed. */
export async function run(): Promise<void> {
  const suite = process.env["LENS_SUITE"] ?? "single";
  const mocha = new Mocha({ ui: "bdd", timeout: 120_000, reporter: Reporter });
  mocha.suite.emit("pre-require", globalThis, "", mocha);
  SUITES[suite]?.();
  await new Promise<void>((done, failed) => {
    mocha.run((failures) => (failures > 0 ? failed(new Error(`${failures} failed`)) : done()));
  });
}

/** One line for each test, with the reason if it failed. */
class Reporter extends Mocha.reporters.Base {
  constructor(runner: Mocha.Runner, options?: Mocha.MochaOptions) {
    super(runner, options);
    runner.on("pass", (test) => say(`  ok    ${test.fullTitle()} (${test.duration ?? 0} ms)`));
    runner.on("fail", (test, error: unknown) => {
      say(
        `  FAIL  ${test.fullTitle()}\n${error instanceof Error ? (error.stack ?? error.message) : util.inspect(error)}`,
      );
    });
    runner.on("end", () => {
      const { passes = 0, failures = 0, pending = 0 } = runner.stats ?? {};
      say(`host: ${passes} passed, ${failures} failed, ${pending} skipped`);
    });
  }
}
