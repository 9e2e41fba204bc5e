/** The settings that are sent to the server are those of the schema, in its nested form. */
import * as assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";

import { put, SETTING_KEYS } from "../../src/settingKeys";

interface Schema {
  properties?: Record<string, Schema>;
}

describe("settings", () => {
  const folder = path.join(__dirname, "../..");
  const json = (file: string): unknown => JSON.parse(fs.readFileSync(path.join(folder, file), "utf8"));

  it("every setting of the server is sent, and VS Code knows it", () => {
    const { properties = {} } = json("schemas/pytest-lens.schema.json") as Schema;
    const keys = Object.entries(properties).flatMap(([name, { properties: inner }]) =>
      inner ? Object.keys(inner).map((key) => `${name}.${key}`) : [name],
    );
    assert.deepEqual([...SETTING_KEYS].sort(), keys.sort());
    const { contributes } = json("package.json") as {
      contributes: { configuration: { properties: Record<string, unknown> }[] };
    };
    const known = contributes.configuration.flatMap((group) => Object.keys(group.properties));
    const unknown = SETTING_KEYS.filter((key) => !known.includes(`pytestLens.${key}`));
    assert.deepEqual(unknown, []);
  });

  it("dotted keys are nested", () => {
    const settings = {};
    put(settings, "rerun.enabled", true);
    put(settings, "rerun.delayMs", 3);
    put(settings, "workers", "auto");
    assert.deepEqual(settings, { rerun: { enabled: true, delayMs: 3 }, workers: "auto" });
  });
});
