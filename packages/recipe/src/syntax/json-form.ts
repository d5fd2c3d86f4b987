import { refuse } from "./refusal.ts";
import type { Written } from "./written.ts";

/**
 * Reads `["word", …]`. What begins with a bracket and is no array of texts is a shell command, as in Docker: `[ -e x ] && y` is one.
 */
export function parseJsonForm(piece: Written): readonly string[] | undefined {
  if (!piece.text.startsWith("[")) return undefined;
  let parsed: unknown;
  try {
    parsed = JSON.parse(piece.text);
  } catch {
    return undefined;
  }
  if (!Array.isArray(parsed) || !parsed.every((one): one is string => typeof one === "string"))
    return undefined;
  if (parsed.some((one) => one.includes("\0")))
    refuse(piece, "a word has a null character", "Remove it: no program can receive it.");
  return parsed;
}
