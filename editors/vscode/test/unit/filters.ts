/** A profile's filters: for everything, never for tests that were chosen, and always named. */
import * as assert from "node:assert/strict";

import { type Chosen, effective, filterText, withoutFilter } from "../../src/filters";
import { taken } from "../../src/taking";

describe("filters", () => {
  const chosen: Chosen = { marker: "not slow", keyword: "total", arguments: "-p no:randomly", maxfail: "1" };

  it("a10: a run of everything has them", () => {
    assert.deepEqual(effective(chosen, true), {
      arguments: ["-p", "no:randomly"],
      marker: "not slow",
      keyword: "total",
      maxfail: 1,
    });
  });

  it("a10: tests that were chosen run without them, however they were written", () => {
    assert.deepEqual(effective(chosen, false), { arguments: ["-p", "no:randomly"], maxfail: 1 });
    for (const line of ["-k total", "-ktotal", "-m slow", "--deselect=a.py::t", "--ignore b", "--lf", "--sw"]) {
      assert.deepEqual(
        effective({ arguments: `-x ${line} --tb=short` }, false),
        { arguments: ["-x", "--tb=short"] },
        line,
      );
      assert.notEqual(filterText({ arguments: line }), "", line);
    }
    assert.deepEqual(effective({ arguments: "--maxfail 2 --markers-file k" }, false), {
      arguments: ["--maxfail", "2", "--markers-file", "k"],
    });
  });

  it("a10: what is in force is named as on a command line", () => {
    assert.equal(filterText(chosen), "-m 'not slow' -k total");
    assert.equal(filterText({ arguments: "-k 'a or b' -v", workers: "2" }), "-k 'a or b'");
    assert.equal(filterText({ workers: "2", keyword: "" }), "");
  });

  it("a10: clearing keeps the rest", () => {
    assert.deepEqual(withoutFilter({ ...chosen, arguments: "-k x -p no:randomly" }), {
      arguments: "-p no:randomly",
      maxfail: "1",
    });
  });
});

describe("arguments of the Python extension", () => {
  const isPath = (word: string): boolean => ["tests", "more", "."].includes(word);

  it("v11: paths become testpaths, values of options stay", () => {
    assert.deepEqual(taken(["tests"], isPath), ["-o", "testpaths=tests"]);
    assert.deepEqual(taken(["-p", "tests", "-v", "tests", "more"], isPath), [
      "-o",
      "testpaths=tests more",
      "-p",
      "tests",
      "-v",
    ]);
    assert.deepEqual(taken([".", "--strict-markers"], isPath), ["--strict-markers"]);
    assert.deepEqual(taken(["--rootdir", "tests"], isPath), ["--rootdir", "tests"]);
  });
});
