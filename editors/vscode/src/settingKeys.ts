/** The settings that the server knows, and how values become its nested form. */

/** Every key; `schemas/pytest-lens.schema.json` has the same. */
export const SETTING_KEYS = [
  "pythonPath",
  "executionMode",
  "workers",
  "arguments",
  "env",
  "envFile",
  "projects",
  "codeLens.enable",
  "inlayHints.enable",
  "runOnSave",
  "timeoutMs",
  "collectTimeoutMs",
  "debugTimeoutMs",
  "rerun.enabled",
  "rerun.maxReruns",
  "rerun.onlyFlaky",
  "rerun.delayMs",
  "fixtureReuse.enabled",
  "fixtureReuse.maxAgeSeconds",
  "fixtureReuse.teardownOnConftestChange",
  "fixtureReuse.teardownOnTestFileChange",
  "fixtureReuse.scopes",
  "flaky.window",
  "executor",
  "ray.address",
  "ray.packages",
  "impact.record",
] as const;

export type SettingKey = (typeof SETTING_KEYS)[number];

/** Puts the value of a dotted key into nested objects. */
export function put(into: Record<string, unknown>, key: SettingKey, value: unknown): void {
  const [name = key, inner] = key.split(".");
  into[name] = inner === undefined ? value : { ...(into[name] as object | undefined), [inner]: value };
}
