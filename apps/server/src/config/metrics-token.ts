import { randomHex } from "@wrenn/core";
import type { Random } from "@wrenn/core";
import { readFileIfPresent, writeFileAtomic } from "@wrenn/system";

const TOKEN = /^[0-9a-f]{64}$/;
const TOKEN_BYTES = 32;

/** The token that opens `/metrics` to collectors, in a file that only the operator can read; made at the first start. */
export async function metricsToken(path: string, random: Random): Promise<string> {
  const kept = ((await readFileIfPresent(path)) ?? "").trim();
  if (TOKEN.test(kept)) return kept;
  const token = randomHex(random, TOKEN_BYTES);
  await writeFileAtomic(path, `${token}\n`, { mode: 0o600 });
  return token;
}
