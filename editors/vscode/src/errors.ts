/** Converts errors to sentences, and shortens sentences for notifications. Free of VS Code. */
import { plain } from "./print";

/** The longest text of a notification, in characters. */
const MOST = 240;

/** The library's error for a server that ended before it answered. */
const GONE =
  /connection (?:is|got) (?:closed|disposed)|pending response rejected|client is not running|after a stream/i;

/** The message of an error. */
export function sentence(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return GONE.test(text) ? "the server ended before it answered: try again" : text;
}

/** One line of a message: of a traceback the last, which names the error. The log has the rest. */
export function brief(text: string): string {
  const lines = plain(text)
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line);
  const at = lines.findIndex((line) => line.startsWith("Traceback (most recent call last)"));
  const before = at > 0 ? `${lines[0] ?? ""} ` : "";
  const line = at >= 0 ? `${before}${lines.at(-1) ?? ""}` : (lines[0] ?? "");
  return line.length > MOST ? `${line.slice(0, MOST - 1)}…` : line;
}
