/** The settings of a folder in the server's form. */
import * as os from "node:os";
import * as vscode from "vscode";

import type { Settings } from "./protocol";
import { put, SETTING_KEYS } from "./settingKeys";

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

/**
 * The settings that the user set, in the server's form, and in `defaults` all others: the settings in a project's own
 * files go over those.
 */
export type FolderSettings = Partial<Settings> & { defaults: Partial<Settings> };

/** The settings of a folder. */
export function folderSettings(folder: vscode.WorkspaceFolder | undefined, overrides: Overrides): FolderSettings {
  const config = vscode.workspace.getConfiguration("pytestLens", folder);
  const given: Record<string, unknown> = {};
  const defaults: Record<string, unknown> = {};
  for (const key of SETTING_KEYS) {
    const places = config.inspect(key);
    const isSet = [places?.globalValue, places?.workspaceValue, places?.workspaceFolderValue].some(
      (value) => value !== undefined,
    );
    put(isSet ? given : defaults, key, inForm(config.get(key), folder));
  }
  const own = defaults as Partial<Settings>;
  own.pythonPath ??= overrides.pythonPath ?? null;
  own.envFile ??= overrides.envFile ?? null;
  if (overrides.arguments) {
    own.arguments = overrides.arguments;
  }
  const variables = Object.entries(overrides.env ?? {});
  own.env = Object.fromEntries(variables.map(([name, value]) => [name, expand(value, folder)]));
  // Continuous run is on: a person has just asked for it.
  if (overrides.runOnSave && config.get("runOnSave") === "off") {
    given["runOnSave"] = overrides.runOnSave;
  }
  return { ...(given as Partial<Settings>), defaults: own };
}

/** A value with its variables in place; empty text is none. */
function inForm(value: unknown, folder: vscode.WorkspaceFolder | undefined): unknown {
  if (typeof value === "string") {
    return expand(value.trim(), folder) || null;
  }
  if (Array.isArray(value)) {
    return value.map((word: unknown) => (typeof word === "string" ? expand(word, folder) : word));
  }
  if (value !== null && typeof value === "object") {
    const entries = Object.entries(value as Record<string, unknown>);
    return Object.fromEntries(
      entries.map(([name, text]) => [name, typeof text === "string" ? expand(text, folder) : text]),
    );
  }
  return value;
}
