/** The settings of a folder in the server's form. */
import * as os from "node:os";
import * as vscode from "vscode";

import type { Settings } from "./protocol";

/** Settings that take precedence over the user's, while continuous run is on or an interpreter is followed. */
export interface Overrides {
  runOnSave?: Settings["runOnSave"];
  pythonPath?: string | undefined;
  /** Values of the Python extension, used if our own are empty. */
  arguments?: string[] | undefined;
  envFile?: string | undefined;
  /** The same; our own variables take precedence. */
  env?: Record<string, string> | undefined;
}

/** `~`, `${workspaceFolder}` and `${env:NAME}` in a path. */
export function expand(text: string, folder: vscode.WorkspaceFolder | undefined): string {
  return text
    .replace(/^~(?=$|[/\\])/, os.homedir())
    .replaceAll("${workspaceFolder}", folder?.uri.fsPath ?? "")
    .replace(/\$\{env:([^}]+)\}/g, (_, name: string) => process.env[name] ?? "");
}

/** The settings of a folder; empty ones are left out. */
export function folderSettings(folder: vscode.WorkspaceFolder | undefined, overrides: Overrides): Partial<Settings> {
  const config = vscode.workspace.getConfiguration("pytestLens", folder);
  const text = (name: string): string | null => expand(config.get(name, "").trim(), folder) || null;
  // `package.json` has a default for each.
  const section = <K extends keyof Settings>(name: K): Settings[K] => config.get<unknown>(name) as Settings[K];
  const env = Object.entries({ ...overrides.env, ...config.get<Record<string, string>>("env", {}) });
  const runOnSave = section("runOnSave");
  const own = section("arguments").map((word) => expand(word, folder));
  return {
    pythonPath: text("pythonPath") ?? overrides.pythonPath ?? null,
    executionMode: section("executionMode"),
    workers: section("workers"),
    arguments: own.length > 0 ? own : (overrides.arguments ?? []),
    env: Object.fromEntries(env.map(([name, value]) => [name, expand(value, folder)])),
    envFile: text("envFile") ?? overrides.envFile ?? null,
    codeLens: section("codeLens"),
    inlayHints: section("inlayHints"),
    runOnSave: runOnSave === "off" ? (overrides.runOnSave ?? runOnSave) : runOnSave,
    timeoutMs: section("timeoutMs"),
    collectTimeoutMs: section("collectTimeoutMs"),
    debugTimeoutMs: section("debugTimeoutMs"),
    rerun: section("rerun"),
    fixtureReuse: section("fixtureReuse"),
    flaky: section("flaky"),
    executor: section("executor"),
    ray: { address: text("ray.address") },
  };
}
