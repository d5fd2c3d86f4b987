import { argon2, timingSafeEqual } from "node:crypto";
import { promisify } from "node:util";
import { ConcurrencyLimit, WrennError } from "@wrenn/core";
import type { Random } from "@wrenn/core";

/** OWASP's second choice for argon2id: 19 MiB, two passes, one lane. */
const MEMORY_KIB = 19_456;
const PASSES = 2;
const LANES = 1;
const TAG_BYTES = 32;
const SALT_BYTES = 16;
/** Half of the threads that libuv has by default: files and names are never behind passwords. Each hash holds its memory, too. */
const AT_ONCE = 2;
/** What may wait for them: about two seconds of work. */
const MOST_WAITING = 64;
/** Until there is room again. */
const WAIT_SEC = 2;
const PHC = /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,2}),p=(\d)\$([\w+/]{22})\$([\w+/]{43})$/;

const derive = promisify(argon2);

interface Parameters {
  readonly memory: number;
  readonly passes: number;
  readonly parallelism: number;
}

/** Passwords as argon2id (RFC 9106), kept as PHC strings. */
export class Passwords {
  readonly #random: Random;
  readonly #limit = new ConcurrencyLimit(AT_ONCE);
  #underWay = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  /** @throws WrennError `rate_limited` when too many passwords wait. */
  async hash(password: string): Promise<string> {
    this.#requireRoom();
    return await this.hashInTurn(password);
  }

  /** The same, which waits however many others do: for callers whose own number is bounded, and who can no longer be refused. */
  async hashInTurn(password: string): Promise<string> {
    const salt = Buffer.from(this.#random.bytes(SALT_BYTES));
    const parameters = { memory: MEMORY_KIB, passes: PASSES, parallelism: LANES };
    const tag = await this.#derive(password, salt, parameters);
    return `$argon2id$v=19$m=${MEMORY_KIB},t=${PASSES},p=${LANES}$${unpadded(salt)}$${unpadded(tag)}`;
  }

  /** Whether the password is that of the hash. Without a hash it is not, after the same work. @throws WrennError `rate_limited`. */
  async verify(password: string, hash: string | null | undefined): Promise<boolean> {
    const [, memory, passes, parallelism, salt = "", tag = ""] = PHC.exec(hash ?? "") ?? [];
    if (tag === "") {
      await this.hash(password);
      return false;
    }
    const parameters = {
      memory: Number(memory),
      passes: Number(passes),
      parallelism: Number(parallelism),
    };
    this.#requireRoom();
    const derived = await this.#derive(password, Buffer.from(salt, "base64"), parameters);
    return timingSafeEqual(derived, Buffer.from(tag, "base64"));
  }

  #requireRoom(): void {
    if (this.#underWay >= AT_ONCE + MOST_WAITING)
      throw new WrennError("rate_limited", { retry_after: WAIT_SEC });
  }

  async #derive(password: string, nonce: Buffer, parameters: Parameters): Promise<Buffer> {
    this.#underWay += 1;
    try {
      return await this.#limit.run(() =>
        derive("argon2id", { message: password, nonce, tagLength: TAG_BYTES, ...parameters }),
      );
    } finally {
      this.#underWay -= 1;
    }
  }
}

function unpadded(bytes: Buffer): string {
  return bytes.toString("base64").replaceAll("=", "");
}
