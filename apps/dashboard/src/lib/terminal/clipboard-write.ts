/** At most this much may be put into the clipboard at once. */
const CLIPBOARD_BYTES = 1 << 20;

/** The text of OSC 52 (`c;BASE64`); undefined for a question, and for what is too large or not text. */
export function clipboardText(command: string): string | undefined {
  const data = command.slice(command.indexOf(";") + 1);
  if (data === "?" || data === "" || data.length > Math.ceil(CLIPBOARD_BYTES / 3) * 4) return undefined;
  try {
    const bytes = Uint8Array.from(atob(data), (one) => one.charCodeAt(0));
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
