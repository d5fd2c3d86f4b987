import { escapeText } from "./escape-text.ts";

/** Names and values under each other; what has no value is left out. Values are escaped. */
export function renderDetails(
  pairs: readonly (readonly [name: string, value: string | undefined])[],
): string {
  const shown = pairs.filter(([, value]) => value !== undefined && value !== "");
  const width = Math.max(0, ...shown.map(([name]) => name.length));
  return shown.map(([name, value = ""]) => `${name.padEnd(width)}  ${escapeText(value)}\n`).join("");
}
