/** Which binary is started where no setting names one. */
import * as assert from "node:assert/strict";

import { chooseServer } from "../../src/serverPlaces";

describe("the server's binary", () => {
  const choose = (files: string[], trusted = ["/a", "/b"], platform: NodeJS.Platform = "linux"): string =>
    chooseServer({ extension: "/ext", trusted, platform, isFile: (file) => files.includes(file) });

  it("the bundled one comes first, then a project's environment, then the PATH", () => {
    const files = ["/ext/bin/pytest-lens", "/a/venv/bin/pytest-lens", "/b/.venv/bin/pytest-lens"];
    assert.equal(choose(files), files[0]);
    assert.equal(choose(files.slice(1)), files[1]);
    assert.equal(choose(files.slice(2)), files[2]);
    assert.equal(choose([]), "pytest-lens");
  });

  it("an untrusted folder's is not executed", () => {
    assert.equal(choose(["/a/.venv/bin/pytest-lens"], []), "pytest-lens");
  });

  it("Windows has other names", () => {
    assert.equal(choose(["/a/.venv/Scripts/pytest-lens.exe"], ["/a"], "win32"), "/a/.venv/Scripts/pytest-lens.exe");
    assert.equal(choose([], [], "win32"), "pytest-lens.exe");
  });
});
