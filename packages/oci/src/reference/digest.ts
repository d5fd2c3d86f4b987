import { createHash } from "node:crypto";
import type { Hash } from "node:crypto";

/** Hexadecimal digits of the algorithms that the OCI image specification registers (descriptor.md#registered-algorithms). */
const DIGITS: ReadonlyMap<string, number> = new Map([
  ["sha256", 64],
  ["sha512", 128],
]);

/** Why a text is not a digest that can be verified; undefined where it is one. */
export function digestProblem(text: string): string | undefined {
  const [, algorithm = "", hex = ""] = /^([^:]*):?(.*)$/s.exec(text) ?? [];
  const digits = DIGITS.get(algorithm);
  if (digits === undefined) return "the digest must begin with sha256: or sha512:";
  if (hex.length !== digits || !/^[0-9a-f]*$/.test(hex))
    return `a ${algorithm} digest has ${digits} hexadecimal digits in lower case`;
  return undefined;
}

/** Computes the digest of bytes that arrive in pieces. */
export class Digester {
  readonly #algorithm: string;
  readonly #hash: Hash;

  /** @param like - a valid digest, whose algorithm is used; default: SHA-256. */
  constructor(like = "sha256:") {
    this.#algorithm = like.slice(0, like.indexOf(":"));
    this.#hash = createHash(this.#algorithm);
  }

  update(bytes: Uint8Array): void {
    this.#hash.update(bytes);
  }

  /** The digest of all bytes; it can be taken once. */
  digest(): string {
    return `${this.#algorithm}:${this.#hash.digest("hex")}`;
  }
}

/** The digest of bytes that are in memory. */
export function digestOf(bytes: Uint8Array, like?: string): string {
  const digester = new Digester(like);
  digester.update(bytes);
  return digester.digest();
}
