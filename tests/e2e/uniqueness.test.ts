import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startTestServer } from "../support/test-server.ts";
import type { TestServer } from "../support/test-server.ts";

const CLONES = process.env["WRENN_TEST_LONG"] === "1" ? 200 : 16;
const AT_ONCE = 4;

let server: TestServer;
before(async () => {
  server = await startTestServer();
});
after(() => server.close());

/** Draws in the first instant: from the kernel, from Python's own generators, from OpenSSL's, and who the guest thinks it is. */
const draw =
  "import os, uuid, ssl, secrets, socket, time\n" +
  "print(os.getrandom(32).hex())\nprint(uuid.uuid4().hex)\nprint(ssl.RAND_bytes(32).hex())\nprint(secrets.token_hex(32))\n" +
  "print(open('/etc/machine-id').read().strip())\nprint(socket.gethostname())\nprint(time.time())\n";

test(
  `${CLONES} capsules of one template draw nothing twice, and know the time`,
  { timeout: 1_800_000 },
  async () => {
    const seen = new Map<string, string>();
    for (let done = 0; done < CLONES; done += AT_ONCE) {
      await Promise.all(
        Array.from({ length: AT_ONCE }, async () => {
          const id = await server.capsule(undefined, { memory_mb: 256 });
          const asked = Date.now() / 1000;
          const { body } = await server.exec(id, "python3", ["-c", draw]);
          const answered = Date.now() / 1000;
          await server.call("DELETE", `/v1/capsules/${id}`);
          const lines = body.stdout.trim().split("\n");
          const time = Number(lines.pop());
          assert.equal(lines.length, 6, body.stderr);
          assert.ok(
            time > asked - 0.05 && time < answered + 0.05,
            `the guest's clock says ${time}, not ${asked}`,
          );
          for (const value of lines) {
            assert.ok(!seen.has(value), `${value} was drawn by ${id} and ${seen.get(value)}`);
            seen.set(value, id);
          }
        }),
      );
    }
  },
);
