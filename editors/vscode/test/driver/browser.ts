/**
 * The real window with the packaged extension, as a person sees it: reads the tree, runs tests, and takes pictures (in
 * out/pictures, or where LENS_PICTURES says: those of the docs are in docs/images).
 */
import * as assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";

import type { Page } from "playwright-core";

import { demoProject, largeProject } from "./projects";
import { places, scratch, VSCode } from "./vscode";

const PICTURES = process.env["LENS_PICTURES"] ?? path.join(places.extension, "out/pictures");

/** A quiet window: the pictures show nothing else. */
const SETTINGS = {
  "workbench.colorTheme": "Default Dark Modern",
  "workbench.startupEditor": "none",
  "workbench.editor.useModal": "off",
  "workbench.secondarySideBar.defaultVisibility": "hidden",
  "workbench.tips.enabled": false,
  "workbench.layoutControl.enabled": false,
  "window.commandCenter": false,
  "window.menuBarVisibility": "hidden",
  "chat.disableAIFeatures": true,
  "editor.minimap.enabled": false,
  "breadcrumbs.enabled": false,
  "testing.automaticallyOpenTestResults": "neverOpen",
  "testing.automaticallyOpenPeekView": "never",
  "git.enabled": false,
  "extensions.ignoreRecommendations": true,
  "pytestLens.serverPath": "",
  "security.workspace.trust.enabled": true,
  "security.workspace.trust.startupPrompt": "never",
  "security.workspace.trust.banner": "never",
};

const row = (text: string): string => `.test-explorer .monaco-list-row:has-text("${text}")`;

/** The icon of an outcome that VS Code shows as outdated. */
const STALE = ".computed-state.retired";

/** Runs a command of the palette. */
async function command(page: Page, title: string): Promise<void> {
  await page.keyboard.press("F1");
  const input = page.locator(".quick-input-widget input");
  await input.waitFor();
  await input.fill(`>${title}`);
  await page.locator(`.quick-input-list .monaco-list-row:has-text("${title}")`).first().waitFor();
  await page.keyboard.press("Enter");
  await page.locator(".quick-input-widget").waitFor({ state: "hidden" });
}

/** Opens a file by its name, at a line if the name has one. */
async function open(page: Page, name: string): Promise<void> {
  const [title = name, line] = name.split(":");
  const input = page.locator(".quick-input-widget input");
  await page.keyboard.press("Control+P");
  // With the line, Enter could come before the file is found, and go to that line of the active editor.
  await input.fill(title);
  await page.locator(`.quick-input-list .monaco-list-row.focused:has-text("${title}")`).waitFor();
  await page.keyboard.press("Enter");
  await page.locator(`.tab.active[data-resource-name="${title}"]`).waitFor();
  if (line) {
    await page.keyboard.press("Control+G");
    await input.fill(`:${line}`);
    await page.keyboard.press("Enter");
    await page.locator(".quick-input-widget").waitFor({ state: "hidden" });
  }
}

async function picture(page: Page, name: string): Promise<void> {
  await page.mouse.move(700, 845);
  await page.locator(".notification-toast").waitFor({ state: "hidden" });
  fs.mkdirSync(PICTURES, { recursive: true });
  await page.screenshot({ path: path.join(PICTURES, `${name}.png`), animations: "disabled" });
}

/**
 * Notes in the page when the status bar's entry has shown a run (its icon turns), and then its end. A short run may be
 * over before the page shows that it began: only the counts change.
 */
const WATCH = `{
  const entry = document.querySelector(".statusbar-item[id*='pytestLens']");
  const turns = () => entry.querySelector(".codicon-sync") !== null;
  const counts = entry.textContent;
  window.lensRun = "before";
  new MutationObserver((_, observer) => {
    const isShown = turns() || entry.textContent !== counts;
    if (window.lensRun === "before" && isShown) window.lensRun = "during";
    if (window.lensRun === "during" && !turns()) { window.lensRun = "after"; observer.disconnect(); }
  }).observe(entry, { subtree: true, childList: true, attributes: true, characterData: true });
}`;
const ENDED = `window.lensRun === "after"`;

/** Whether each test in sight, and nothing else, has an icon next to it. */
const ICONS_STAND = `(() => {
  const top = (element) => Math.round(element.getBoundingClientRect().top);
  const lines = Array.from(document.querySelectorAll(".editor-instance .view-line"));
  const wanted = lines.filter((line) => /^\\s*def\\s+test_/.test(line.textContent)).map(top);
  const icons = new Set(Array.from(document.querySelectorAll(".editor-instance .testing-run-glyph")).map(top));
  return wanted.length > 2 && wanted.length === icons.size && wanted.every((line) => icons.has(line));
})()`;

/** Whether a text is in sight, and another is not. */
const SHOWS = ({ sign, without }: { sign: string; without: string }): boolean => {
  const page = (globalThis as unknown as { document: { querySelector(of: string): { textContent: string } | null } })
    .document;
  const shown = page.querySelector(".editor-instance .view-lines")?.textContent.replace(/\s/g, " ") ?? "";
  return shown.includes(sign) && (!without || !shown.includes(without));
};

/** Starts a run and waits for its end. */
async function runEnds(page: Page, start: () => Promise<void>): Promise<void> {
  const entry = page.locator(".statusbar-item[id*='pytestLens']").first();
  await entry.waitFor();
  await page.evaluate(WATCH);
  await start();
  await page.waitForFunction(ENDED);
}

/** The folder with the projects, and the way to open one. */
interface Place {
  state: string;
  url: (project: string) => string;
}

const SCENES: Record<string, (page: Page, place: Place) => Promise<void>> = {
  async "nothing of an untrusted workspace is executed, and its tests are there"(page, { state }) {
    await page.locator('.activitybar a[aria-label*="Testing"]').click();
    const executed = (): string[] =>
      ["executed", "interpreter-of-the-workspace"].filter((name) => fs.existsSync(path.join(state, name)));
    await page.locator(row("tests")).first().waitFor();
    await command(page, "pytest: Run All Tests");
    // The driver keeps toasts away.
    await command(page, "Notifications: Show Notifications");
    await page
      .locator('.notification-list-item:has-text("not trusted") .monaco-button:has-text("Manage Trust")')
      .click();
    assert.deepEqual(executed(), []);
    await page.locator('.workspace-trust-editor .monaco-button:has-text("Trust")').first().click();
    await page.locator('.statusbar-item[id*="workspaceTrust"]').waitFor({ state: "hidden" });
    await command(page, "View: Close All Editors");
    await runEnds(page, () => command(page, "pytest: Run All Tests"));
    assert.deepEqual(executed(), ["executed", "interpreter-of-the-workspace"]);
  },

  async "the tree has what the project has"(page) {
    // Room for descriptions.
    const sash = await page.locator(".monaco-sash.vertical:not(.disabled)").first().boundingBox();
    assert.ok(sash);
    await page.mouse.move(sash.x + 2, 400);
    await page.mouse.down();
    await page.mouse.move(sash.x + 140, 400, { steps: 5 });
    await page.mouse.up();
    await page.locator(row("tests")).first().waitFor();
    await command(page, "Test: Run All Tests");
    await page.locator(".test-explorer .codicon-testing-failed-icon").first().waitFor();
    await page.locator(row("tests")).first().click();
    for (const file of ["test_delivery.py", "test_kitchen.py", "test_orders.py", "test_prices.py"]) {
      await page.locator(row(file)).first().waitFor();
    }
  },

  async "flaky tests are tagged in the tree"(page) {
    // Until the counters of the demo's tests stand where some failed last, and some did not.
    for (let run = 0; run < 6; run++) {
      await runEnds(page, () => command(page, "pytest: Run All Tests"));
    }
    for (const file of ["test_orders.py", "test_kitchen.py", "test_delivery.py"]) {
      await page.locator(row(file)).first().click();
      await page.keyboard.press("ArrowRight");
    }
    await page.locator(row("flaky 25 %")).first().waitFor();
    await page.locator(row("TestOrder")).first().waitFor();
    await open(page, "test_delivery.py");
    await picture(page, "vscode-tree");
  },

  async "a failure is at its line, with its diff"(page) {
    await open(page, "test_delivery.py:38");
    await runEnds(page, () => command(page, "pytest: Run Test at Cursor"));
    await page.locator(".test-error-content-widget").first().waitFor();
    await command(page, "Test: Peek Output");
    await page.locator(".zone-widget .monaco-diff-editor").first().waitFor();
    await page.locator(".zone-widget .line-insert, .zone-widget .char-insert").first().waitFor();
    await picture(page, "vscode-failure");
    await page.keyboard.press("Escape");
  },

  async "v1: icons stand at their tests, whatever changes the file outside"(page, { state }) {
    const file = path.join(state, "cafe/tests/test_delivery.py");
    const before = fs.readFileSync(file, "utf8");
    await open(page, "test_delivery.py:1");
    await page.waitForFunction(ICONS_STAND);
    const distant = before.replace("somebody took the bike", "it is gone").replace("fee(2) == 320", "fee(2) == 321");
    const changes = [
      [`# one\n# two\n# three\n${before}`, "# three"],
      [before, "somebody took the bike"],
      [distant, "it is gone"],
      [before, "somebody took the bike"],
    ] as const;
    let shown = "somebody took the bike";
    for (const [text, sign] of changes) {
      fs.writeFileSync(file, text);
      await page.waitForFunction(SHOWS, { sign, without: text.includes(shown) ? "" : shown });
      await page.waitForFunction(ICONS_STAND);
      shown = sign;
    }
  },

  async "flakiness is a table with strips"(page) {
    await command(page, "pytest: Show Flakiness");
    const frame = page.frameLocator("iframe.webview").frameLocator("iframe");
    await frame.locator(".strip i.fail").first().waitFor();
    assert.ok((await frame.locator("tbody tr").count()) >= 2);
    await picture(page, "vscode-flaky");
  },

  async "what ran is in the gutter"(page) {
    await runEnds(page, () => command(page, "Test: Run All Tests with Coverage"));
    await open(page, "riders.py");
    await page.locator(".coverage-deco-gutter.coverage-deco-hit").first().waitFor();
    await page.locator(".coverage-deco-gutter.coverage-deco-miss").first().waitFor();
    await picture(page, "vscode-coverage");
  },

  async "outcomes of earlier code are paler, and those of a new run are not"(page, { state }) {
    await runEnds(page, () => command(page, "Test: Run All Tests"));
    await page.locator(STALE).first().waitFor({ state: "hidden" });
    fs.appendFileSync(path.join(state, "cafe/cafe/riders.py"), "\n\nBELL = 1\n");
    await page.locator(`${row("test_fee")} ${STALE}`).waitFor();
    await open(page, "test_delivery.py:41");
    await picture(page, "vscode-stale");
    await runEnds(page, () => command(page, "pytest: Run Test at Cursor"));
    await page.locator(`${row("test_fee")} ${STALE}`).waitFor({ state: "hidden" });
    await page.locator(`${row("test_note")} ${STALE}`).waitFor();
  },

  async "what is in a file of a large project is there when the file is opened"(page, { state, url }) {
    await page.goto(url(largeProject(path.join(state, "large"), 8_000)));
    await page.locator('.activitybar a[aria-label*="Testing"]').click();
    for (const name of ["tests", "part_3", "test_m3.py"]) {
      await page.locator(row(name)).first().click();
    }
    await page.locator(row("test_0")).first().waitFor();
    await page.locator(row("test_9")).first().waitFor();
  },
};

async function main(): Promise<void> {
  const folder = scratch("cafe");
  const project = demoProject(path.join(folder, "cafe"));
  const vsix = process.env["LENS_VSIX"];
  assert.ok(vsix, "LENS_VSIX names the packaged extension");
  const vscode = await VSCode.start({ settings: SETTINGS, vsix: [vsix], env: { CAFE_STATE: folder } });
  let failed = 0;
  let passed = 0;
  try {
    await vscode.page.goto(vscode.url(project));
    for (const [name, play] of Object.entries(SCENES)) {
      const start = performance.now();
      try {
        await play(vscode.page, { state: folder, url: (project) => vscode.url(project) });
        passed += 1;
        console.log(`  ok    ${name} (${(performance.now() - start).toFixed(0)} ms)`);
      } catch (error) {
        failed += 1;
        console.log(`  FAIL  ${name}\n${error instanceof Error ? (error.stack ?? "") : String(error)}`);
        await command(vscode.page, "Notifications: Show Notifications").catch(() => undefined);
        await vscode.page.screenshot({ path: path.join(places.extension, "out", `failed-browser-${passed}.png`) });
        break;
      }
    }
  } finally {
    await vscode.close();
    fs.rmSync(folder, { recursive: true, force: true });
  }
  console.log(`browser: ${passed} passed, ${failed} failed, 0 skipped`);
  process.exit(failed > 0 ? 1 : 0);
}

void main();
