import { createCipheriv, createDecipheriv } from "node:crypto";
import type { Random } from "@wrenn/core";
import { secretQueries } from "@wrenn/database";
import type { Database } from "@wrenn/database";

const ALGORITHM = "aes-256-gcm";
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const KEY_BYTES = 32;

/** Values as they lie encrypted in the database, each bound to the row that it belongs to: they hold secrets. */
export class SealedJson<T> {
  readonly #key: Uint8Array;
  readonly #random: Random;

  /** @param key 32 bytes. */
  constructor(key: Uint8Array, random: Random) {
    this.#key = key;
    this.#random = random;
  }

  /** With the key of this name, which every control plane of the database shares. */
  static async open<T>(database: Database, random: Random, keyName: string): Promise<SealedJson<T>> {
    const key = await secretQueries.ensureSecret(database.db, keyName, () => random.bytes(KEY_BYTES));
    return new SealedJson<T>(key, random);
  }

  seal(rowId: string, value: T): Buffer {
    const nonce = this.#random.bytes(NONCE_BYTES);
    const cipher = createCipheriv(ALGORITHM, this.#key, nonce).setAAD(Buffer.from(rowId));
    const text = Buffer.concat([cipher.update(JSON.stringify(value)), cipher.final()]);
    return Buffer.concat([nonce, text, cipher.getAuthTag()]);
  }

  /** @throws Error for what was not sealed for this row with this key. */
  open(rowId: string, sealed: Buffer): T {
    const nonce = sealed.subarray(0, NONCE_BYTES);
    const decipher = createDecipheriv(ALGORITHM, this.#key, nonce).setAAD(Buffer.from(rowId));
    decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
    const text = Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]);
    return JSON.parse(text.toString()) as T;
  }
}
