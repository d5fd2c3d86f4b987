import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { systemClock, systemRandom } from "@wrenn/core";
import { bootTemplate, createTemplateStore } from "@wrenn/host-agent";
import type { GuestClock } from "@wrenn/vmm";
import { requireCompatible } from "../src/templates/compatible-template.ts";
import { ampleDisk } from "./support/ample-disk.ts";

const signal = AbortSignal.timeout(10_000);
const root = await mkdtemp("/tmp/wb-");
after(() => rm(root, { recursive: true, force: true }));
const SHAPE = { vcpus: 1, memoryMib: 64 };
const nothing = (): never => assert.fail("not used");

interface HostFacts {
  readonly identity: string;
  /** Frequency of the host's counter, and what the frozen memory of each template says; undefined under KVM. */
  readonly clockKhz?: number;
}

/** A cache of frozen templates that several hosts use one after the other. */
class TemplateCache {
  readonly built: string[] = [];
  readonly #frozenKhz = new Map<string, number | undefined>();

  async freezeOn({ identity, clockKhz }: HostFacts) {
    const guestClock: GuestClock | undefined =
      clockKhz === undefined
        ? undefined
        : { khz: clockKhz, frozenKhz: async (memory) => this.#frozenKhz.get(join(memory, "..")) };
    const recipe = bootTemplate(
      {
        clock: systemClock,
        random: systemRandom,
        progress: () => {},
        disks: { create: nothing, reserve: ampleDisk },
        machines: {
          hypervisor: {
            name: "test",
            identity: async () => identity,
            guestClock,
            boot: nothing,
            restore: nothing,
            adopt: nothing,
            clear: nothing,
          },
          slots: { acquire: nothing, release: nothing },
          connectGuest: nothing,
        },
        bases: { keep: async (template) => template },
        artifacts: async () => ({ kernel: "", initramfs: "", rootfs: "/rootfs", hash: "artifacts" }),
        findBuilt: async (_kind, key) => (this.built.includes(key) ? join(root, key) : undefined),
        buildOnce: async (_kind, key) => {
          const directory = join(root, key);
          if (this.built.includes(key)) return directory;
          this.built.push(key);
          this.#frozenKhz.set(directory, clockKhz);
          await mkdir(directory);
          for (const name of ["memory", "device-state", "disk.qcow2"])
            await writeFile(join(directory, name), "x");
          await writeFile(join(directory, "metadata.json"), "{}");
          return directory;
        },
      },
      { name: "minimal", defaultShape: SHAPE, diskMib: 100, ownPrograms: true },
    );
    return await recipe.freeze(SHAPE, signal);
  }

  /** What an earlier version froze: its key does not name the clock. */
  async freezeAsBefore(identity: string, frozenKhz: number | undefined): Promise<string> {
    const { hash } = await this.freezeOn({ identity });
    this.#frozenKhz.set(join(root, hash), frozenKhz);
    return hash;
  }
}

test("a template is frozen once for each identity of the hypervisor", async () => {
  const cache = new TemplateCache();
  const first = await cache.freezeOn({ identity: "kvm/host@1" });
  assert.equal((await cache.freezeOn({ identity: "kvm/host@1" })).hash, first.hash);
  assert.notEqual((await cache.freezeOn({ identity: "kvm/host@2" })).hash, first.hash);
  assert.equal(cache.built.length, 2);
});

test("a template is frozen again where guests are told another frequency", async () => {
  const cache = new TemplateCache();
  const host = { identity: "tcg/a", clockKhz: 2_445_402 };
  const first = await cache.freezeOn(host);
  assert.equal(first.clockKhz, 2_445_402);
  assert.equal((await cache.freezeOn(host)).hash, first.hash);
  assert.notEqual((await cache.freezeOn({ ...host, clockKhz: 4_000_000 })).hash, first.hash);
  assert.equal((await cache.freezeOn(host)).hash, first.hash);
  assert.equal(cache.built.length, 2);
});

test("what an earlier version froze is used where its guest was told the right frequency, and only there", async () => {
  const cache = new TemplateCache();
  const right = await cache.freezeAsBefore("tcg/right", 2_445_410);
  assert.equal((await cache.freezeOn({ identity: "tcg/right", clockKhz: 2_445_402 })).hash, right);
  const wrong = await cache.freezeAsBefore("tcg/wrong", 4_000_000);
  assert.notEqual((await cache.freezeOn({ identity: "tcg/wrong", clockKhz: 2_445_402 })).hash, wrong);
  const unknown = await cache.freezeAsBefore("tcg/unknown", undefined);
  assert.notEqual((await cache.freezeOn({ identity: "tcg/unknown", clockKhz: 2_445_402 })).hash, unknown);
});

test("a host agent freezes a template again when the hypervisor is replaced while it runs", async () => {
  const cache = new TemplateCache();
  const host = { identity: "kvm/qemu@1" };
  const store = createTemplateStore([
    {
      name: "minimal",
      defaultShape: SHAPE,
      freeze: () => cache.freezeOn(host),
      identity: async () => host.identity,
    },
  ]);
  const before = await store.frozen("minimal", SHAPE, signal);
  assert.equal((await store.frozen("minimal", SHAPE, signal)).hash, before.hash);
  host.identity = "kvm/qemu@2";
  assert.notEqual((await store.frozen("minimal", SHAPE, signal)).hash, before.hash);
});

test("a template made of a capsule is refused where time would pass at a wrong rate, with the frequencies", async () => {
  const host = (khz: number) => ({
    identity: async () => "same",
    guestClock: { khz, frozenKhz: async () => undefined },
  });
  const template = { hypervisor: "same", clockKhz: 2_445_402 };
  await requireCompatible(template, host(2_445_500), signal);
  await requireCompatible({ hypervisor: "same" }, host(4_000_000), signal);
  await assert.rejects(requireCompatible(template, host(4_000_000), signal), {
    reason: "snapshot_incompatible",
    message: /2445402 kHz.*4000000 kHz/,
  });
});
