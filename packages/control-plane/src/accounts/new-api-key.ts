import { createHmac } from "node:crypto";
import { randomHex } from "@wrenn/core";
import type { Random } from "@wrenn/core";

/** The forms of keys: the prefix, and how many random bytes follow it as lower-case hexadecimal digits. */
const forms = {
  wrenn: { prefix: "wrn_", bytes: 16 },
  /** What clients of E2B take for a key. */
  e2b: { prefix: "e2b_", bytes: 20 },
} as const;
const PREFIX_LENGTH = 10;

/** `wrenn`: the platform's own form; `e2b`: the one that clients of E2B take. A key of either form works everywhere. */
export type ApiKeyForm = keyof typeof forms;

/** A new key, and the beginning by which people tell it from others. */
export function newApiKey(
  random: Random,
  form: ApiKeyForm,
): { readonly key: string; readonly prefix: string } {
  const { prefix, bytes } = forms[form];
  const key = prefix + randomHex(random, bytes);
  return { key, prefix: key.slice(0, PREFIX_LENGTH) };
}

/**
 * The key of a row that can be made again from a secret of the installation and the id of the row, in the form that clients of E2B take.
 *
 * @param id - random, and of this row only.
 */
export function derivedApiKey(
  secret: Uint8Array,
  id: string,
): { readonly key: string; readonly prefix: string } {
  const { prefix, bytes } = forms.e2b;
  const hash = createHmac("sha256", secret).update(`login key ${id}`).digest("hex");
  const key = prefix + hash.slice(0, bytes * 2);
  return { key, prefix: key.slice(0, PREFIX_LENGTH) };
}

/** What people see of a key once it was shown: its beginning, and how long it is. */
export interface ApiKeyMask {
  readonly prefix: string;
  /** Of what follows the prefix. */
  readonly length: number;
  readonly beginning: string;
}

/** The mask of a key, from the beginning of it that is stored. */
export function maskOfApiKey(stored: string): ApiKeyMask {
  const { prefix, bytes } = stored.startsWith(forms.e2b.prefix) ? forms.e2b : forms.wrenn;
  return { prefix, length: bytes * 2, beginning: stored.slice(prefix.length) };
}
