/** The tests that a save can reach, for every form of selection. */
import * as assert from "node:assert/strict";

import { touches } from "../../src/reach";

describe("what a save can reach", () => {
  it("a8: is a selection that holds one of its files, in whatever form", () => {
    const files = ["tests/test_a.py", "tests/deep/test_b.py"];
    const hit = [undefined, ["tests"], ["tests/test_a.py"], ["tests/test_a.py::test_x[a/b::c]"], ["x", "tests/deep"]];
    assert.deepEqual(
      hit.map((ids) => touches(files, ids)),
      hit.map(() => true),
    );
    const missed = [["tests/test_c.py::test_x"], ["tests/dee"], ["tests/test_a.pyx"], []];
    assert.deepEqual(
      missed.map((ids) => touches(files, ids)),
      missed.map(() => false),
    );
    assert.equal(touches([], undefined), false);
  });
});
