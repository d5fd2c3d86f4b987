import assert from "node:assert/strict";
import { test } from "node:test";
import type { HostLoad } from "@wrenn/database";
import fc from "fast-check";
import { defaultCapacity, rank } from "../src/hosts/placement.ts";

const policy = { memoryReserveMib: 1000, memoryOvercommit: 2, diskReserveMib: 1000, diskOvercommit: 2 };
const wanted = { vcpus: 1, memoryMib: 512, diskMib: 5120 };
const host = (id: string, used: Partial<HostLoad["used"]> = {}, size: Partial<HostLoad> = {}): HostLoad => ({
  id,
  cpuCores: 8,
  memoryMib: 9000,
  diskMib: 101_000,
  used: { vcpus: 0, memoryMib: 0, diskMib: 0, ...used },
  ...size,
});

test("the host whose scarcest resource is freest comes first; of equals the first", () => {
  assert.deepEqual(rank([host("a"), host("b")], policy, wanted), ["a", "b"]);
  assert.deepEqual(rank([host("a"), host("b", {}, { cpuCores: 64 })], policy, wanted), ["b", "a"]);
  assert.deepEqual(rank([host("a", { memoryMib: 8000 }), host("b", { vcpus: 1 })], policy, wanted), [
    "b",
    "a",
  ]);
  assert.deepEqual(rank([host("a", { vcpus: 80 }), host("b", { diskMib: 100_000 })], policy, wanted), [
    "b",
    "a",
  ]);
});

test("preferred hosts come first, among themselves as always, and the others when they have no room", () => {
  const hosts = [host("a"), host("b", { vcpus: 8 }), host("c", { vcpus: 4 })];
  assert.deepEqual(rank(hosts, policy, wanted, ["b", "c"]), ["c", "b", "a"]);
  const full = [host("a"), host("b", { memoryMib: 15_900 })];
  assert.deepEqual(rank(full, policy, wanted, ["b"]), ["a"]);
  assert.deepEqual(rank(hosts, policy, wanted, ["gone"]), ["a", "c", "b"]);
  assert.throws(() => rank([host("b", { memoryMib: 15_900 })], policy, wanted, ["b"]), /memory is exhausted/);
});

test("a host without room is never chosen, and what it lacks is said", () => {
  assert.deepEqual(rank([host("a", { memoryMib: 15_900 }), host("b")], policy, wanted), ["b"]);
  assert.throws(() => rank([host("a", { memoryMib: 15_900 })], policy, wanted), /memory is exhausted/);
  assert.throws(() => rank([host("a", { diskMib: 199_000 })], policy, wanted), /disk is exhausted/);
  assert.throws(() => rank([], policy, wanted), /no host/);
});

test("a small machine is of use with the default policy", () => {
  const small = host("a", {}, { cpuCores: 1, memoryMib: 2048, diskMib: 20_000 });
  assert.deepEqual(rank([small], defaultCapacity, wanted), ["a"]);
});

test("whatever the loads: everything chosen fits, and nothing that fits is left out", () => {
  const load = fc.record({
    vcpus: fc.nat(200),
    memoryMib: fc.nat(40_000),
    diskMib: fc.nat(400_000),
  });
  fc.assert(
    fc.property(fc.array(load, { minLength: 1, maxLength: 12 }), (loads) => {
      const hosts = loads.map((used, index) => host(String(index), used));
      const fits = ({ used }: HostLoad): boolean =>
        used.memoryMib + wanted.memoryMib <= 16_000 && used.diskMib + wanted.diskMib <= 200_000;
      const expected = hosts.filter(fits).map(({ id }) => id);
      if (expected.length === 0) assert.throws(() => rank(hosts, policy, wanted), /exhausted/);
      else assert.deepEqual([...rank(hosts, policy, wanted)].sort(), expected.sort());
    }),
  );
});
