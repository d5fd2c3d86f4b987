import { unfinishedSequence } from "./escape-sequences.ts";

/** DEC private modes that programs switch on, in the order in which they are switched off: the other screen is left last. */
const ON = [
  2026, 9, 1000, 1001, 1002, 1003, 1004, 1005, 1006, 1015, 1016, 2004, 2031, 2048, 1, 5, 6, 66, 47, 1047,
  1049,
];
/** Modes that are on to begin with: wrapping, and the cursor. */
const OFF = [7, 25];

const SEQUENCES =
  // oxlint-disable-next-line no-control-regex -- escape sequences are made of control characters
  /\u001b(?:\[\?(?<modes>[\d;]{1,64})(?<set>[hl])|\[>4(?:;(?<other>\d))?m|\[(?<kitty>[<>])(?<flags>[\d;]{0,16})u|\[(?<region>[\d;]*)r|\[(?<cursor>\d*) q|\[(?<style>[\d;:]*)m|(?<keypad>[=>])|(?<reset>c|\[!p))|(?<charset>[\u000e\u000f])/g;

/**
 * What a program has changed on the terminal, seen from its output, so that the terminal can be put in order when the program is left or
 * killed in the middle: a full-screen editor leaves the other screen, mouse reports and a hidden cursor behind.
 */
export class ScreenModes {
  readonly #changed = new Set<number>();
  #kittyLevels = 0;
  #hasOtherKeys = false;
  #hasRegion = false;
  #hasCursorStyle = false;
  #hasStyle = false;
  #hasKeypad = false;
  #hasCharset = false;
  #rest = "";

  /** The next bytes of the output. */
  observe(bytes: Uint8Array): void {
    const text = this.#rest + Buffer.from(bytes).toString("latin1");
    let from = 0;
    for (const match of text.matchAll(SEQUENCES)) {
      from = match.index + match[0].length;
      this.#take(match.groups ?? {});
    }
    this.#rest = text.slice(text.length - unfinishedSequence(text, from));
  }

  /** What puts the terminal in order, empty when nothing is left of the program. */
  restore(): string {
    const csi = "\u001b[";
    const parts = [
      this.#kittyLevels > 0 ? `${csi}<${this.#kittyLevels}u` : "",
      this.#hasOtherKeys ? `${csi}>4m` : "",
      this.#hasKeypad ? "\u001b>" : "",
      this.#hasCharset ? "\u000f" : "",
      this.#hasCursorStyle ? `${csi}0 q` : "",
      this.#hasRegion ? `\u001b7${csi}r\u001b8` : "",
      this.#hasStyle ? `${csi}0m` : "",
      ...ON.filter((mode) => this.#changed.has(mode)).map((mode) => `${csi}?${mode}l`),
      ...OFF.filter((mode) => this.#changed.has(mode)).map((mode) => `${csi}?${mode}h`),
    ];
    this.#clear();
    return parts.join("");
  }

  #take(found: Readonly<Record<string, string | undefined>>): void {
    const { modes, set, kitty, flags = "", region, cursor, style, keypad, reset, charset } = found;
    if (modes !== undefined) for (const mode of modes.split(";")) this.#setMode(Number(mode), set === "h");
    else if (kitty === ">") this.#kittyLevels++;
    else if (kitty === "<") this.#kittyLevels = Math.max(0, this.#kittyLevels - Number(flags || "1"));
    else if (region !== undefined) this.#hasRegion = region !== "";
    else if (cursor !== undefined) this.#hasCursorStyle = Number(cursor) > 0;
    else if (style !== undefined) this.#hasStyle = !/^0*$/.test(style);
    else if (keypad !== undefined) this.#hasKeypad = keypad === "=";
    else if (charset !== undefined) this.#hasCharset = charset === "\u000e";
    else if (reset !== undefined) this.#clear();
    else this.#hasOtherKeys = Number(found["other"] ?? "0") > 0;
  }

  #setMode(mode: number, isOn: boolean): void {
    const isChange = OFF.includes(mode) ? !isOn : isOn;
    if (isChange) this.#changed.add(mode);
    else this.#changed.delete(mode);
  }

  #clear(): void {
    this.#changed.clear();
    this.#kittyLevels = 0;
    this.#hasOtherKeys = this.#hasRegion = this.#hasCursorStyle = false;
    this.#hasStyle = this.#hasKeypad = this.#hasCharset = false;
  }
}
