/** The flakiness view's page: text only, so that it can be tested without VS Code. */
import { percent, words } from "./text";

/** A line of the table. */
export interface FlakyRow {
  id: string;
  workspace: string;
  /** Proven, not only suspected. */
  isFlaky: boolean;
  failureRate: number;
  flips: number;
  totalRuns: number;
  /** The last outcomes, oldest first. */
  recent: string[];
}

/** The other content of the page. */
interface Around {
  /** Tests with a history. */
  tracked: number;
  problem: string | undefined;
  /** The test to highlight. */
  focus: string | undefined;
}

/** The page. It requests its content, and receives it again whenever it changes. */
export function page(): string {
  const nonce = Math.random().toString(36).slice(2);
  const policy = `default-src 'none'; style-src 'nonce-${nonce}'; script-src 'nonce-${nonce}'`;
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<style nonce="${nonce}">${STYLE}</style>
</head>
<body>
<main></main>
<script nonce="${nonce}">${SCRIPT}</script>
</body>
</html>`;
}

/** The content of the page. */
export function content(rows: FlakyRow[], around: Around): string {
  const lines = rows.length > 0 ? table(rows, around.focus) : "";
  return `<header><h1>Flaky tests</h1><p>${summary(rows, around)}</p></header>\n${lines}`;
}

function summary(rows: FlakyRow[], { tracked, problem }: Around): string {
  if (problem !== undefined) {
    return escape(problem);
  }
  const proven = rows.filter((row) => row.isFlaky).length;
  const history = `${tracked} ${tracked === 1 ? "test has" : "tests have"} a history`;
  if (rows.length === 0) {
    return `${history}; none of them is flaky. A test is when it passed and failed on the same code.`;
  }
  const suspected = rows.length - proven;
  const also = suspected > 0 ? `, ${suspected} changed between pass and fail only while the code changed` : "";
  return `${history}: ${proven} passed and failed on the same code${also}.`;
}

function table(rows: FlakyRow[], focus: string | undefined): string {
  const sorted = [...rows].sort((a, b) => Number(b.isFlaky) - Number(a.isFlaky) || b.failureRate - a.failureRate);
  return `<table>
<thead><tr><th>Test</th><th>Evidence</th><th class="number">Failures</th><th class="number">Flips</th><th>Last runs, newest right</th><th></th></tr></thead>
<tbody>
${sorted.map((row) => line(row, row.id === focus)).join("\n")}
</tbody>
</table>`;
}

function line(row: FlakyRow, focused: boolean): string {
  const [file, ...names] = row.id.split("::");
  const where = `data-id="${escape(row.id)}" data-workspace="${escape(row.workspace)}"`;
  const kind = row.isFlaky ? `<span class="badge proven">flaky</span>` : `<span class="badge">unstable</span>`;
  return `<tr${focused ? ' class="focused"' : ""} ${where}>
<td><a href="#" data-command="open">${escape(names.join(" › ") || row.id)}</a><small>${escape(names.length > 0 ? (file ?? "") : "")}</small></td>
<td>${kind}<small>${row.isFlaky ? "same code" : "across changes"}</small></td>
<td class="number">${percent(row.failureRate)}<small>of ${row.totalRuns} runs</small></td>
<td class="number">${row.flips}</td>
<td><div class="strip" role="img" aria-label="${escape(row.recent.map(words).join(", "))}">${row.recent.map(bar).join("")}</div></td>
<td class="actions"><button data-command="run" title="Run once">Run</button><button data-command="rerun" title="Rerun until it fails">Until it fails</button></td>
</tr>`;
}

function bar(outcome: string): string {
  const kind = ["passed", "xpassed"].includes(outcome)
    ? "pass"
    : ["skipped", "xfailed"].includes(outcome)
      ? "skip"
      : "fail";
  return `<i class="${kind}" title="${escape(words(outcome))}"></i>`;
}

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
}

const STYLE = `
body { padding: 24px 32px; color: var(--vscode-foreground); font: var(--vscode-font-size) var(--vscode-font-family); max-width: 1100px; }
h1 { font-size: 1.6em; font-weight: 600; margin: 0 0 4px; }
header p { margin: 0 0 24px; color: var(--vscode-descriptionForeground); }
table { border-collapse: collapse; width: 100%; }
th { text-align: left; font-weight: 600; font-size: .85em; color: var(--vscode-descriptionForeground); padding: 0 16px 8px 0; white-space: nowrap; }
td { padding: 10px 16px 10px 0; border-top: 1px solid var(--vscode-widget-border, var(--vscode-panel-border)); vertical-align: top; }
tr.focused td { background: var(--vscode-list-inactiveSelectionBackground); }
tbody tr:hover td { background: var(--vscode-list-hoverBackground); }
th.number, td.number { text-align: right; font-variant-numeric: tabular-nums; }
td a { color: var(--vscode-textLink-foreground); text-decoration: none; font-weight: 600; overflow-wrap: anywhere; }
td a:hover { text-decoration: underline; }
small { display: block; margin-top: 3px; color: var(--vscode-descriptionForeground); font-size: .85em; white-space: nowrap; }
.badge { display: inline-block; padding: 1px 8px; border-radius: 9px; font-size: .85em; background: var(--vscode-badge-background); color: var(--vscode-badge-foreground); }
.badge.proven { background: var(--vscode-statusBarItem-warningBackground, #b89500); color: var(--vscode-statusBarItem-warningForeground, #fff); }
.strip { display: flex; gap: 2px; align-items: flex-end; height: 22px; }
.strip i { width: 7px; border-radius: 1px; }
.strip .pass { height: 10px; background: var(--vscode-testing-iconPassed, #73c991); opacity: .75; }
.strip .fail { height: 22px; background: var(--vscode-testing-iconFailed, #f14c4c); }
.strip .skip { height: 5px; background: var(--vscode-testing-iconSkipped, #848484); }
.actions { white-space: nowrap; text-align: right; padding-right: 0; }
button { margin-left: 6px; padding: 3px 10px; border: 1px solid var(--vscode-button-border, var(--vscode-widget-border, transparent)); border-radius: 4px; cursor: pointer; font: inherit; font-size: .9em; color: var(--vscode-button-secondaryForeground); background: var(--vscode-button-secondaryBackground); }
button:hover { background: var(--vscode-button-secondaryHoverBackground); }
`;

const SCRIPT = `
const vscode = acquireVsCodeApi();
document.addEventListener("click", (event) => {
  const target = event.target.closest("[data-command]");
  const row = target && target.closest("tr");
  if (!row) return;
  event.preventDefault();
  vscode.postMessage({ command: target.dataset.command, id: row.dataset.id, workspace: row.dataset.workspace });
});
const main = document.querySelector("main");
const keyOf = (element) => {
  const row = element && element.closest && element.closest("tr[data-id]");
  return row && element.dataset.command && [row.dataset.id, row.dataset.workspace, element.dataset.command].join("\\n");
};
let marked;
window.addEventListener("message", ({ data }) => {
  const key = keyOf(document.activeElement);
  main.innerHTML = data.content;
  // Keeps the keyboard's focus where it was.
  const same = key && Array.from(main.querySelectorAll("[data-command]")).find((each) => keyOf(each) === key);
  if (same) same.focus({ preventScroll: true });
  const focused = main.querySelector("tr.focused");
  if (focused && focused.dataset.id !== marked) focused.scrollIntoView({ block: "center" });
  marked = focused ? focused.dataset.id : undefined;
});
vscode.postMessage({ command: "ready" });
`;
