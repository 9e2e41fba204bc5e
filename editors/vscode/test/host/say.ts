/** Writes a line that the driver prints. */
export function say(text: string): void {
  console.log(`LENS ${text}`);
}
