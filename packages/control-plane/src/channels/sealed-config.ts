import { createCipheriv, createDecipheriv } from "node:crypto";
import type { Random } from "@wrenn/core";
import type { ChannelConfig } from "./providers.ts";

const ALGORITHM = "aes-256-gcm";
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** Configurations of channels as they lie in the database, bound to their channel: they hold other people's secrets. */
export class SealedConfigs {
  readonly #key: Uint8Array;
  readonly #random: Random;

  /** @param key 32 bytes. */
  constructor(key: Uint8Array, random: Random) {
    this.#key = key;
    this.#random = random;
  }

  seal(channelId: string, config: ChannelConfig): Buffer {
    const nonce = this.#random.bytes(NONCE_BYTES);
    const cipher = createCipheriv(ALGORITHM, this.#key, nonce).setAAD(Buffer.from(channelId));
    const text = Buffer.concat([cipher.update(JSON.stringify(config)), cipher.final()]);
    return Buffer.concat([nonce, text, cipher.getAuthTag()]);
  }

  /** @throws Error for what was not sealed for this channel with this key. */
  open(channelId: string, sealed: Buffer): ChannelConfig {
    const nonce = sealed.subarray(0, NONCE_BYTES);
    const decipher = createDecipheriv(ALGORITHM, this.#key, nonce).setAAD(Buffer.from(channelId));
    decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
    const text = Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]);
    return JSON.parse(text.toString()) as ChannelConfig;
  }
}
