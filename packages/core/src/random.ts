/** The one source of randomness; injected so that tests can fix it. */
export interface Random {
  /** `size` fresh bytes. */
  bytes(size: number): Uint8Array;
  /** A hyphenated UUIDv4. */
  uuid(): string;
}

/** Randomness of the operating system, through WebCrypto. */
export const systemRandom: Random = {
  bytes: (size) => crypto.getRandomValues(new Uint8Array(size)),
  uuid: () => crypto.randomUUID(),
};

/** `size` random bytes as lower-case hex. */
export function randomHex(random: Random, size: number): string {
  return Buffer.from(random.bytes(size)).toString("hex");
}
