import assert from "node:assert/strict";
import { after, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { startTestServer } from "../support/test-server.ts";

interface CapsuleBody {
  readonly status: string;
  readonly problem?: string;
}

const server = await startTestServer();
after(() => server.close());

/** What the kernel's trigger of emergencies does at each letter. */
const ENDS = { b: "a reboot", c: "a kernel panic", o: "a power-off" };

for (const [letter, what] of Object.entries(ENDS)) {
  test(
    `${what} inside a capsule ends it, and whoever waits for it is told`,
    { timeout: 30_000 },
    async (t) => {
      const id = await server.capsule(t, {});
      const trigger = `echo 1 > /proc/sys/kernel/sysrq; echo ${letter} > /proc/sysrq-trigger`;
      const { status } = await server.exec(id, "sh", ["-c", `${trigger}; sleep 60`], { timeout_sec: 60 });
      assert.equal(status, 502);
      const capsule = await eventually("the capsule has ended", async () => {
        const { body } = await server.call<CapsuleBody>("GET", `/v1/capsules/${id}`);
        return body.status === "running" ? undefined : body;
      });
      assert.equal(capsule.status, "error");
      assert.match(capsule.problem ?? "", /machine died/);
    },
  );
}
