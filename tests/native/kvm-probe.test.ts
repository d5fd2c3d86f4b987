import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { availableParallelism } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "node:test";
import { nativeParts } from "@wrenn/server";
import { runCommand, tryCommand } from "@wrenn/system";
import { isSameFrequency, measureTscKhz } from "@wrenn/vmm";
import type { KvmFinding } from "@wrenn/vmm";
import { unavailable } from "../support/devices.ts";

const signal = AbortSignal.timeout(120_000);
const { kvmProbe } = nativeParts;
const skip = await unavailable("/dev/kvm");

/** Keeps every CPU busy while `work` goes on. */
async function onBusyHost<T>(work: () => Promise<T>): Promise<T> {
  const hogs: ChildProcess[] = Array.from({ length: availableParallelism() }, () =>
    spawn("sh", ["-c", "while :; do :; done"], { stdio: "ignore" }),
  );
  try {
    await sleep(100);
    return await work();
  } finally {
    for (const hog of hogs) hog.kill("SIGKILL");
  }
}

const finding = async (): Promise<KvmFinding> =>
  JSON.parse((await runCommand([kvmProbe], { signal })).stdout) as KvmFinding;

test("the counter's frequency is measured to within noise, whatever else the host does", async () => {
  const quiet = await measureTscKhz(kvmProbe, signal);
  assert.ok(isSameFrequency(quiet, await measureTscKhz(kvmProbe, signal)));
  assert.ok(isSameFrequency(quiet, await onBusyHost(() => measureTscKhz(kvmProbe, signal))));
  const log = (await tryCommand(["dmesg"], { signal }).catch(() => undefined))?.stdout ?? "";
  const mhz = /tsc: Refined TSC clocksource calibration: ([\d.]+) MHz/.exec(log)?.[1];
  if (mhz !== undefined)
    assert.ok(isSameFrequency(quiet, Number(mhz) * 1000), `${quiet} kHz, not ${mhz} MHz`);
});

test("a busy host comes to the same finding about KVM", { skip }, async () => {
  const quiet = await finding();
  const busy = await onBusyHost(finding);
  assert.deepEqual([busy.usable, busy.works], [quiet.usable, quiet.works]);
});

test("a probe that gets no CPU for a while counts only the time that it had", { skip }, async () => {
  const child = spawn(kvmProbe, { stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (part: string) => (text += part));
  const closed = new Promise((resolve) => child.once("close", resolve));
  await sleep(20);
  child.kill("SIGSTOP");
  await sleep(1500);
  child.kill("SIGCONT");
  await closed;
  const { mips, works } = JSON.parse(text) as KvmFinding;
  assert.ok(works);
  // 1.5 s of standing still would make the rate a quarter of what it is.
  const { mips: undisturbed } = await finding();
  assert.ok(mips > undisturbed / 2, `${mips} instead of ${undisturbed} million a second`);
});
