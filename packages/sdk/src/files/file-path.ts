import { invalidOption } from "../transport/options.ts";

/** A byte of a name that is not UTF-8, as text. */
const LONE_BYTE = /([\udc80-\udcff])/u;

/** @throws WrennError `invalid_option` for a path that is empty or not text. */
export function requirePath(call: string, path: unknown, option = "path"): asserts path is string {
  if (typeof path !== "string" || path === "")
    throw invalidOption(call, option, "must be text that is not empty");
}

/**
 * The text of a query. Bytes of names that are not UTF-8, U+DC80 to U+DCFF, are sent as the bytes that they stand for.
 *
 * @throws WrennError `invalid_option` for half a surrogate pair that stands for no byte.
 */
export function queryOf(call: string, parameters: Readonly<Record<string, string | undefined>>): string {
  const parts = Object.entries(parameters).flatMap(([name, value]) =>
    value === undefined ? [] : `${name}=${encoded(call, name, value)}`,
  );
  return `?${parts.join("&")}`;
}

function encoded(call: string, option: string, text: string): string {
  // The pattern captures what it splits at: every second part is a lone byte.
  const parts = text.split(LONE_BYTE).map((part, index) => {
    if (index % 2 === 1) return `%${(part.charCodeAt(0) - 0xdc00).toString(16)}`;
    try {
      return encodeURIComponent(part);
    } catch {
      throw invalidOption(call, option, "has half a surrogate pair that stands for no byte");
    }
  });
  return parts.join("");
}

/**
 * Permission bits in octal.
 *
 * @param mode - such as `0o755` or `"755"`.
 * @throws WrennError `invalid_option`.
 */
export function modeText(call: string, mode: number | string | undefined): string | undefined {
  if (mode === undefined) return undefined;
  const text = typeof mode === "number" ? mode.toString(8).padStart(3, "0") : mode;
  if (!/^[0-7]{3,4}$/.test(text))
    throw invalidOption(call, "mode", `must be permission bits such as 0o755 or "755", not ${String(mode)}`);
  return text;
}
