import assert from "node:assert/strict";
import type { ApiCaller } from "./api-caller.ts";

/** Seconds for scripts that take one on an idle processor: emulated machines share theirs. */
const PATIENCE = 300;

/** Runs a script of bash in a capsule, by default as root; a command that fails ends it, and the test. Returns what it printed. */
export async function runScript(
  api: ApiCaller,
  id: string,
  script: string,
  more: { readonly user?: string } = {},
): Promise<string> {
  const line = `set -euo pipefail; export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n${script}`;
  const { status, body } = await api.exec(id, "bash", ["-c", line], { timeout_sec: PATIENCE, ...more });
  assert.equal(status, 200, JSON.stringify(body));
  assert.equal(body.exit_code, 0, `${script}\n${body.stdout}${body.stderr}`);
  return body.stdout.trimEnd();
}

/** `name value` lines as pairs. */
export function pairs(text: string): Readonly<Record<string, string>> {
  return Object.fromEntries(
    text.split("\n").map((line) => {
      const at = line.indexOf(" ");
      return [line.slice(0, at), line.slice(at + 1)];
    }),
  );
}
