import { ClientError } from "../errors/client-error.ts";

/** Leaves a terminal; its program runs on. Known from docker. */
export const DEFAULT_DETACH_KEYS = "ctrl-p,ctrl-q";

const CTRL = /^ctrl-([a-z@[\\\]^_])$/i;
const PLAIN = /^[\u0021-\u002b\u002d-\u007e]$/;
const MOST_KEYS = 8;
/** Characters of what was typed before that a sequence may have begun in. */
const TAIL = 256;
/** Modifiers of the two protocols below: Ctrl, with Caps Lock and Num Lock or without. */
const CTRL_MODIFIERS = "(?:5|69|133|197)(?::1)?";

/** What is to be done with keys that were typed. */
export interface Typed {
  /** For the program. */
  readonly send: Uint8Array;
  /** The sequence is complete. */
  readonly isDetach: boolean;
}

/**
 * Finds the sequence of keys that leaves a terminal in what is typed. Every key is for the program, at once, except the one that completes
 * the sequence: a lone key is neither delayed nor swallowed.
 */
export class DetachKeys {
  /** The sequence as the user writes it. */
  readonly text: string;
  readonly #pattern: RegExp;
  #tail = "";

  /**
   * @param text - keys with commas between: `ctrl-` and a letter or one of `@[\]^_`, or a character.
   * @throws ClientError `detach_keys_invalid`.
   */
  constructor(text: string) {
    this.text = text;
    const keys = text.split(",").map(patternOf);
    if (keys.length > MOST_KEYS || keys.includes(undefined)) throw invalid(text);
    const last = keys.pop() ?? "";
    this.#pattern = new RegExp(`${keys.join("")}(${last})`, "d");
  }

  /** The next bytes of the keyboard. */
  type(bytes: Uint8Array): Typed {
    const before = this.#tail;
    const text = before + Buffer.from(bytes).toString("latin1");
    const match = this.#pattern.exec(text);
    if (!match) {
      this.#tail = text.slice(-TAIL);
      return { send: bytes, isDetach: false };
    }
    const [start = 0] = match.indices?.[1] ?? [];
    this.#tail = "";
    return { send: bytes.subarray(0, Math.max(0, start - before.length)), isDetach: true };
  }
}

/**
 * The keys that a user chose.
 *
 * @param text - `none` for no keys; undefined for the default ones.
 * @throws ClientError `detach_keys_invalid`.
 */
export function detachKeys(text: string | undefined): DetachKeys | undefined {
  return text === "none" ? undefined : new DetachKeys(text ?? DEFAULT_DETACH_KEYS);
}

/**
 * What terminals send for a key: a byte, or, once a program switched it on, `CSI code ; modifiers u`
 * (https://sw.kovidgoyal.net/kitty/keyboard-protocol/) or xterm's `CSI 27 ; modifiers ; code ~`.
 */
function patternOf(key: string): string | undefined {
  const [, letter] = CTRL.exec(key) ?? [];
  if (letter !== undefined) {
    const code = letter.toLowerCase().charCodeAt(0);
    const byte = hex(letter.toUpperCase().charCodeAt(0) & 0x1f);
    return `(?:${byte}|\\x1b\\[${code};${CTRL_MODIFIERS}u|\\x1b\\[27;${CTRL_MODIFIERS};${code}~)`;
  }
  return PLAIN.test(key) ? `(?:${hex(key.charCodeAt(0))}|\\x1b\\[${key.charCodeAt(0)}(?:;1)?u)` : undefined;
}

function hex(code: number): string {
  return `\\x${code.toString(16).padStart(2, "0")}`;
}

function invalid(text: string): ClientError {
  return new ClientError(
    "usage",
    "detach_keys_invalid",
    `'${text}' is not a sequence of keys`,
    `Write up to ${MOST_KEYS} keys with commas between, such as ${DEFAULT_DETACH_KEYS} or ctrl-], or none.`,
  );
}
