import { createHmac, timingSafeEqual } from "node:crypto";
import type { Clock } from "@wrenn/core";

const VALID_MS = 30 * 60_000;
const LINK = /^([0-9a-f-]{36})\.([0-9a-f]{64})\.(\d{1,15})\.([0-9a-f]{64})$/;

/** What a link lets its holder upload. */
export interface UploadGrant {
  /** UUID. */
  readonly teamId: string;
  /** By which the client names the files. */
  readonly hash: string;
}

/** Links by which clients upload files of builds: they authorise by themselves, for half an hour. */
export class UploadLinks {
  readonly #key: Uint8Array;
  readonly #clock: Clock;

  /** @param key - of the installation. */
  constructor(key: Uint8Array, clock: Clock) {
    this.#key = key;
    this.#clock = clock;
  }

  sign({ teamId, hash }: UploadGrant): string {
    const text = `${teamId}.${hash}.${this.#clock.now() + VALID_MS}`;
    return `${text}.${this.#signature(text)}`;
  }

  /** @returns undefined for a link that was not signed here, or has ended. */
  read(link: string): UploadGrant | undefined {
    const [, teamId = "", hash = "", until = "", given = ""] = LINK.exec(link) ?? [];
    const expected = this.#signature(`${teamId}.${hash}.${until}`);
    const isSigned =
      given.length === expected.length && timingSafeEqual(Buffer.from(given), Buffer.from(expected));
    return isSigned && Number(until) > this.#clock.now() ? { teamId, hash } : undefined;
  }

  #signature(text: string): string {
    return createHmac("sha256", this.#key).update(`upload ${text}`).digest("hex");
  }
}
