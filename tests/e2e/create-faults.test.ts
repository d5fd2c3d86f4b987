import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { after, test } from "node:test";
import { WrennError } from "@wrenn/core";
import { operationSteps } from "@wrenn/host-agent";
import { findLeftovers } from "@wrenn/system";
import { leftSince } from "../support/left-of-capsules.ts";
import { startTestServer } from "../support/test-server.ts";

/* Alone: it lists what is left on the whole machine. */

/** The step at which the next create fails, and how. */
let fault: { readonly step: string; readonly inject: (capsuleId: string) => Promise<void> } | undefined;

const server = await startTestServer({
  onStep: async (capsuleId, operation, step) => {
    if (operation === "create" && step === fault?.step) await fault.inject(capsuleId);
  },
});
after(() => server.close());
await server.capsule(undefined);

interface Refusal {
  readonly error: { readonly code: string; readonly reason: string; readonly message: string };
}

for (const step of operationSteps.create) {
  test(`disk full at step "${step}" of create: typed error, everything released`, async () => {
    const before = await findLeftovers();
    const capsulesBefore = await readdir(server.capsulesDirectory);
    fault = {
      step,
      inject: async () => {
        throw new WrennError("disk_full", { path: server.capsulesDirectory });
      },
    };
    const answer = await server.call<Refusal>("POST", "/v1/capsules", {});
    fault = undefined;
    assert.equal(answer.status, 502, JSON.stringify(answer.body));
    assert.equal(answer.body.error.reason, "disk_full");
    assert.deepEqual(await readdir(server.capsulesDirectory), capsulesBefore);
    assert.deepEqual(await leftSince(before), []);
  });
}

for (const step of ["guest", "identity"] as const) {
  test(`machine killed at step "${step}" of create: typed error, everything released`, async () => {
    const before = await findLeftovers();
    fault = {
      step,
      inject: async () => {
        const machines = (await findLeftovers()).filter(
          (item) => /^process \d+ qemu/.test(item) && !before.includes(item),
        );
        assert.equal(machines.length, 1, "exactly the new capsule's machine");
        process.kill(Number(machines[0]?.split(" ")[1]), "SIGKILL");
      },
    };
    const answer = await server.call<Refusal>("POST", "/v1/capsules", {});
    fault = undefined;
    assert.equal(answer.status, 502, JSON.stringify(answer.body));
    assert.equal(answer.body.error.code, "agent_error");
    assert.match(answer.body.error.reason, /machine_died|guest_unreachable/);
    assert.deepEqual(await leftSince(before), []);
  });
}

test("after all these faults a create succeeds", async (t) => {
  const id = await server.capsule(t);
  assert.equal((await server.shell(id, "echo fine")).stdout, "fine\n");
});
