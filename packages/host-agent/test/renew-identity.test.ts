import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLogger, systemRandom, WrennError } from "@wrenn/core";
import type { GuestLink } from "@wrenn/guest";
import type { CapsuleSpec } from "@wrenn/protocol";
import { renewIdentity } from "../src/capsules/operations/renew-identity.ts";

type Configuration = Parameters<GuestLink["configure"]>[0];

const spec = {
  id: "cl-1",
  template: "minimal",
  vcpus: 1,
  memoryMib: 64,
  diskMib: 64,
  timeoutSec: 0,
  envs: {},
};

async function renew(
  configure: (settings: Configuration) => readonly string[],
  changed: Partial<CapsuleSpec> = {},
) {
  const asked: Configuration[] = [];
  const logged: string[] = [];
  const guest = {
    configure: async (settings: Configuration) => {
      asked.push(settings);
      return configure(settings);
    },
  };
  const logger = { ...silentLogger, warn: (event: string) => void logged.push(event) };
  const renewing = renewIdentity(
    guest,
    { spec: { ...spec, ...changed }, restoreCount: 3, newIdentity: true },
    { random: systemRandom, logger },
    AbortSignal.timeout(1000),
  );
  const problem = await renewing.then(
    () => undefined,
    (error: unknown) => error,
  );
  return { asked, logged, problem };
}

const refusal = (problem: string) =>
  new WrennError("operation_failed", { operation: "configuring the guest", problem });

test("names that could not be written are logged, and the machine is used", async () => {
  const { asked, logged, problem } = await renew(() => ["/etc/hosts: Operation not permitted"]);
  assert.equal(problem, undefined);
  assert.equal(asked.length, 1);
  assert.deepEqual(logged, ["capsule.names_not_written"]);
});

test("a guest agent of an earlier version, which refused everything because of a file, still gets the rest", async () => {
  for (const broken of ["hostname", "machineId"] as const) {
    const { asked, logged, problem } = await renew((settings) => {
      if (settings[broken] === undefined) return [];
      throw refusal(broken === "hostname" ? "cannot set the hostname" : "cannot write /etc/machine-id");
    });
    assert.equal(problem, undefined);
    const [, ...again] = asked;
    assert.deepEqual(
      again.map(({ hostname, machineId, runHooks }) => [hostname, machineId?.length, runHooks]),
      [
        ["cl-1", undefined, undefined],
        [undefined, 32, undefined],
        [undefined, undefined, true],
      ],
    );
    assert.ok(again.at(-1)?.entropy);
    assert.deepEqual(logged, ["capsule.names_not_written"]);
  }
});

test("what makes a machine an individual may not fail", async () => {
  for (const problem of [
    "cannot seed the random number generator",
    "the kernel refuses the hostname",
    "/etc/wrenn/on-restore.d/10",
  ]) {
    const failure = refusal(problem);
    const renewed = await renew(() => {
      throw failure;
    });
    assert.equal(renewed.problem, failure);
    assert.equal(renewed.asked.length, 1);
  }
});

test("the environment says which capsule it is, by the name of its template, whatever a template has handed on", async () => {
  const envs = { MINE: "1", WRENN_SANDBOX_ID: "cl-of-the-build", WRENN_TEMPLATE: "base" };
  const { asked } = await renew(() => [], { envs, template: "tpl-key", templateName: "acme/shop" });
  assert.deepEqual(asked[0]?.environment, {
    MINE: "1",
    WRENN_SANDBOX: "true",
    WRENN_SANDBOX_ID: "cl-1",
    WRENN_TEMPLATE: "acme/shop",
  });
  const unnamed = await renew(() => []);
  assert.equal(unnamed.asked[0]?.environment?.["WRENN_TEMPLATE"], "minimal");
});
