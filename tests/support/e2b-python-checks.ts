import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { TestContext } from "node:test";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { pythonEnvironment } from "./python-environments.ts";

const program = fileURLToPath(new URL("e2b-python-client/main.py", import.meta.url));

/** The two ways in which the client is called. */
export type Flavor = "sync" | "async";

/** Which checks are run, and with what. */
export interface PythonChecks {
  /** Lock of the client, as for {@link pythonEnvironment}. */
  readonly lock: string;
  readonly flavor: Flavor;
  /** How much is checked: tests/support/e2b-python-client/checks.py. */
  readonly level: "smoke" | "brief" | "usual" | "long" | "interpreter";
  /** Lines for a shell that set the variables of the client, as `wrenn e2b env` prints them. */
  readonly variables: string;
  /** Name server that the client asks, at port 53, where it uses a domain. Default: that of the system. */
  readonly nameServer?: string;
}

/** The resolver's own file, in a mount namespace of the client's. */
const ASK = `resolver=$(mktemp)
echo "nameserver $0" > "$resolver"
mount --bind "$resolver" /etc/resolv.conf
rm "$resolver"
`;

/**
 * Runs checks with a published client in a process of its own, whose environment has nothing else. Each check becomes a test; they are
 * skipped where the client cannot be installed.
 */
export async function runPythonChecks(
  t: TestContext,
  { lock, flavor, level, variables, nameServer }: PythonChecks,
): Promise<void> {
  const { python, missing } = await pythonEnvironment(lock);
  if (missing !== undefined) {
    t.skip(missing);
    return;
  }
  const script = `set -e\n${nameServer === undefined ? "" : ASK}${variables}exec "$@"`;
  const more = nameServer === undefined ? [] : ["domain"];
  const shell = ["sh", "-c", script, nameServer ?? "sh", python, program, flavor, level, ...more];
  const [command = "", ...args] = nameServer === undefined ? shell : ["unshare", "--mount", ...shell];
  const client = spawn(command, args, {
    stdio: ["ignore", "pipe", "pipe"],
    env: { PATH: process.env["PATH"] ?? "", PYTHONDONTWRITEBYTECODE: "1" },
  });
  t.after(() => client.kill("SIGKILL"));
  const ended = once(client, "close");
  const printed = text(client.stderr);
  let checks = 0;
  for await (const line of createInterface({ input: client.stdout })) {
    const { name, problem } = JSON.parse(line) as { name: string; problem: string | null };
    await t.test(`${flavor}: ${name}`, () => assert.equal(problem, null, problem ?? ""));
    checks += 1;
  }
  assert.deepEqual(await ended, [0, null], await printed);
  assert.ok(checks > 0, "checks are run");
}
