import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { silentLogger, systemClock } from "@wrenn/core";
import { exists } from "@wrenn/system";
import { recoverCapsules } from "../src/capsules/operations/recover-capsules.ts";
import type { RecoverCapsulesDeps } from "../src/capsules/operations/recover-capsules.ts";

const root = await mkdtemp(join(tmpdir(), "wrenn-recovery-"));
after(() => rm(root, { recursive: true, force: true }));

test("a waiting machine of an earlier run that cannot be removed is logged, and the others are removed all the same", async () => {
  const [stuck, other] = ["p-0000000000000001", "p-0000000000000002"] as const;
  for (const name of [stuck, other]) await mkdir(join(root, name));
  const logged: unknown[] = [];
  const deps = {
    clock: systemClock,
    logger: { ...silentLogger, error: (event: string, fields: unknown) => void logged.push([event, fields]) },
    machines: {
      hypervisor: {
        adopt: async () => undefined,
        clear: async (id: string) => {
          if (id === stuck) throw new Error("EBUSY");
        },
      },
    },
    capsulesDirectory: root,
  } as unknown as RecoverCapsulesDeps;
  const recovered = await recoverCapsules(deps, () => {}, AbortSignal.timeout(10_000));
  assert.deepEqual(recovered, []);
  assert.deepEqual(logged, [["pool.removal_failed", { machine: stuck, problem: "EBUSY" }]]);
  assert.deepEqual([await exists(join(root, stuck)), await exists(join(root, other))], [true, false]);
});
