/** Restarts: when, how late, and how often the user hears of it. */
import * as assert from "node:assert/strict";

import { Recovery } from "../../src/recovery";

function lab() {
  const told: string[] = [];
  const clock = { now: 0 };
  const recovery = new Recovery({
    now: () => clock.now,
    pause: (ms) => {
      told.push(`pause ${ms}`);
      clock.now += ms;
      return Promise.resolve();
    },
    restarting: () => told.push("restarting"),
    gaveUp: () => told.push("gave up"),
  });
  return { told, clock, recovery };
}

describe("recovery", () => {
  it("waits longer each time, tells once, and gives up in the end", async () => {
    const { told, recovery } = lab();
    const answers: boolean[] = [];
    for (let death = 0; death < 8; death++) {
      answers.push(await recovery.closed());
    }
    assert.deepEqual(answers, [true, true, true, true, true, true, true, false]);
    assert.equal(told.filter((each) => each === "restarting").length, 1);
    const pauses = told.filter((each) => each.startsWith("pause")).map((each) => Number(each.split(" ")[1]));
    assert.deepEqual(
      pauses,
      [...pauses].sort((a, b) => a - b),
    );
    assert.equal(told.at(-1), "gave up");
  });

  it("starts again after a healthy life", async () => {
    const { told, clock, recovery } = lab();
    await recovery.closed();
    clock.now += 61_000;
    await recovery.closed();
    assert.equal(told.filter((each) => each === "restarting").length, 2);
    assert.equal(told.filter((each) => each === "pause 0").length, 2);
  });

  it("leaves a server down that was told to end", async () => {
    const { told, recovery } = lab();
    recovery.expect(true);
    assert.equal(await recovery.closed(), false);
    assert.deepEqual(told, []);
  });
});
