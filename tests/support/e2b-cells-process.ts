import { setTimeout } from "node:timers/promises";
import { Sandbox } from "@e2b/code-interpreter";
import { breakOffCell } from "./broken-off-cell.ts";

/*
 * The published client for code interpreters with the variables that `wrenn e2b env` prints, in a sandbox of its default template. Cells
 * that have no end are broken off by each version of HTTP that the server offers. Prints what it saw, with times in milliseconds.
 */

/** Cells without an end, and what shows that the next one runs. The first one records when it was interrupted. */
const ENDLESS = [
  [
    "python",
    "import time\nprint('on')\ntry:\n  while True: time.sleep(0.02)\nexcept BaseException: ended = time.time(); raise",
    "print(ended)",
  ],
  ["javascript", "console.log('on'); while (true);", "console.log('next')"],
  ["bash", "echo on; while :; do :; done", "echo next"],
] as const;

const sandbox = await Sandbox.create({ timeoutMs: 600_000 });
try {
  const { text } = await sandbox.runCode("6 * 7", { requestTimeoutMs: 120_000 });
  for (const [language, , next] of ENDLESS.slice(1)) await sandbox.runCode(next, { language });
  const plain = process.env["E2B_SANDBOX_URL"];
  const address = {
    url: plain ?? `https://${sandbox.getHost(49_999)}`,
    headers: { "e2b-sandbox-id": sandbox.sandboxId, "e2b-sandbox-port": "49999" },
  };
  const nextMs: Record<string, number> = {};
  const interruptedMs: Record<string, number> = {};
  const printed: string[] = [];
  for (const version of plain === undefined ? (["1.1", "2"] as const) : (["1.1"] as const))
    for (const [language, code, next] of ENDLESS) {
      // The clock of the guest against this one, as far as a cell can tell.
      const askedAt = performance.now();
      const guest = Number((await sandbox.runCode("import time; time.time()")).text) * 1000;
      const ahead = guest - (askedAt + performance.now()) / 2;
      const brokenAt = await breakOffCell(address, { code, language }, version);
      const { logs } = await sandbox.runCode(next, { language });
      nextMs[`${language} ${version}`] = performance.now() - brokenAt;
      const output = logs.stdout.join("").trim();
      if (language === "python") interruptedMs[version] = Number(output) * 1000 - ahead - brokenAt;
      else printed.push(output);
    }
  process.stdout.write(JSON.stringify({ text, printed, interruptedMs, nextMs }));
} finally {
  await sandbox.kill();
}
// Connections that are kept would keep the process.
await setTimeout(0);
process.exit(0);
