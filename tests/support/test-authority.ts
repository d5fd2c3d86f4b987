import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { issueKeyAndCertificate, makeAuthority } from "@wrenn/certificates";
import type { PemPair } from "@wrenn/certificates";
import { systemClock, systemRandom } from "@wrenn/core";

const deps = { clock: systemClock, random: systemRandom };
const VALIDITY = { days: 1, clockSkewMs: 60_000 };

/** A certificate authority that only its CA file makes known, as companies have them. */
export class TestAuthority {
  /** PEM file with its certificate. */
  readonly caFile: string;
  readonly #pair: PemPair;

  private constructor(caFile: string, pair: PemPair) {
    this.caFile = caFile;
    this.#pair = pair;
  }

  /** @param directory - where the CA file is written. */
  static async make(directory: string, name = "Wrenn test authority"): Promise<TestAuthority> {
    const pair = await makeAuthority({ name, ...VALIDITY }, deps);
    const caFile = join(directory, `${name.replaceAll(" ", "-")}.pem`);
    await writeFile(caFile, pair.cert);
    return new TestAuthority(caFile, pair);
  }

  /** Certificate and key of a server. */
  async issue(...names: string[]): Promise<PemPair> {
    return await issueKeyAndCertificate(
      this.#pair,
      { name: names[0] ?? "server", usage: "serverAuth", alternativeNames: names, ...VALIDITY },
      deps,
    );
  }
}
