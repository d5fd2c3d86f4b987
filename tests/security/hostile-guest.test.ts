import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { connect } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { silentLogger, systemClock, systemRandom } from "@wrenn/core";
import { GuestLink } from "@wrenn/guest";
import { HostileLane, seeded, trickNames } from "../support/hostile-guest.ts";
import { watchGrowth } from "../support/resident-memory.ts";

const long = process.env["WRENN_TEST_LONG"] === "1";
const seconds = long ? Number(process.env["WRENN_HOSTILE_SECONDS"] ?? 600) : 3;
const seed = Number(process.env["WRENN_HOSTILE_SEED"] ?? Date.now() % 1_000_000);
/** Memory of one capsule, and what the garbage collector has not got to yet. */
const GROWTH_MIB = 64 + 192;
const program = join(import.meta.dirname, "../support/guest-link-process.ts");

test(
  `a guest that breaks the protocol in every way for ${seconds} s costs the host bounded memory, and calls end typed (seed ${seed})`,
  { timeout: (seconds + 60) * 1000 },
  async (t) => {
    t.diagnostic(`WRENN_HOSTILE_SEED=${seed}`);
    const directory = await mkdtemp(join(tmpdir(), "wrenn-hostile-"));
    const paths = [join(directory, "a.sock"), join(directory, "b.sock")];
    const random = seeded(seed);
    const lanes = await Promise.all(paths.map((path) => HostileLane.listen(path, random)));
    const child = spawn(process.execPath, [program, ...paths, String(seed)], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    t.after(async () => {
      child.kill("SIGKILL");
      for (const lane of lanes) await lane[Symbol.asyncDispose]();
      await rm(directory, { recursive: true });
    });
    let printed = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (printed += text));
    await once(child.stdout, "data");
    await systemClock.sleep(1000);
    const descriptors = async (): Promise<number> => (await readdir(`/proc/${child.pid}/fd`)).length;
    const before = await descriptors();
    const growthSoFar = await watchGrowth(child.pid ?? 0);
    await systemClock.sleep(seconds * 1000);
    const [growth, after] = [growthSoFar(), await descriptors()];
    const exited = once(child, "exit");
    child.kill("SIGTERM");
    assert.deepEqual(await exited, [0, null], "it did not survive");
    const { outcomes, most } = JSON.parse(printed.trim().split("\n").at(-1) ?? "") as {
      readonly outcomes: Readonly<Record<string, number>>;
      readonly most: number;
    };
    t.diagnostic(`${JSON.stringify(outcomes)}, ${Math.round(growth)} MiB, ${most} bytes held`);
    assert.ok(growth < GROWTH_MIB, `${growth.toFixed(0)} MiB`);
    assert.ok(after < before + 20, `${after} descriptors after ${before}`);
    assert.ok(most < 72 << 20, `${most} bytes held for one capsule`);
    assert.ok((outcomes["given up"] ?? 0) > 0 && (outcomes["answered"] ?? 0) > 0, JSON.stringify(outcomes));
    const typed =
      /^(answered|left|given up|guest_\w+|file_operation_failed|operation_failed|stdin_closed|input_not_read|path_\w+|not_a_\w+|too_\w+)$/;
    assert.deepEqual(
      Object.keys(outcomes).filter((outcome) => !typed.test(outcome)),
      [],
      "calls ended with errors that are none of the catalogue",
    );
    const played = new Set(lanes.flatMap((lane) => [...lane.played.keys()]));
    assert.deepEqual(
      trickNames.filter((name) => !played.has(name)),
      [],
      "some of it was never tried",
    );
  },
);

test("an upload in chunks of one byte to a guest that takes nothing does not stop the server", async (t) => {
  const directory = await mkdtemp(join(tmpdir(), "wrenn-tiny-"));
  const [interactive, bulk] = [join(directory, "a.sock"), join(directory, "b.sock")] as const;
  // It answers every request well, and no stream gets a window.
  const lanes = await Promise.all([interactive, bulk].map((path) => HostileLane.listen(path, () => 1)));
  const link = GuestLink.open({
    interactive,
    bulk,
    clock: systemClock,
    logger: silentLogger,
    random: systemRandom,
  });
  const uploads: Promise<unknown>[] = [];
  const gone = new AbortController();
  let taken = 0;
  const server = createServer((request, response) => {
    if (request.method === "GET") return response.end("here");
    const pieces = async function* () {
      for await (const piece of request as AsyncIterable<Buffer>) {
        taken += piece.length;
        yield piece;
      }
    };
    uploads.push(link.files.write("/x", pieces(), { signal: gone.signal }).catch(() => undefined));
    return undefined;
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const client = connect(port, "127.0.0.1").on("error", () => undefined);
  t.after(async () => {
    gone.abort(new Error("the test is over"));
    client.destroy();
    server.closeAllConnections();
    server.close();
    await Promise.all(uploads);
    await link.detach();
    for (const lane of lanes) await lane[Symbol.asyncDispose]();
    await rm(directory, { recursive: true });
  });
  const CHUNKS = 100_000;
  client.write("PUT / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
  client.write("1\r\nx\r\n".repeat(CHUNKS));
  const end = Date.now() + 30_000;
  let slowest = 0;
  for (let isWhole = false; !isWhole && Date.now() < end; isWhole = taken >= CHUNKS) {
    const asked = performance.now();
    assert.equal(await (await fetch(`http://127.0.0.1:${port}/`)).text(), "here");
    slowest = Math.max(slowest, performance.now() - asked);
    await systemClock.sleep(20);
  }
  t.diagnostic(`${taken} chunks; the slowest other answer took ${Math.round(slowest)} ms`);
  assert.equal(taken, CHUNKS, "fewer bytes than the backlog of an upload were taken");
  assert.ok(slowest < 5000, `${slowest} ms`);
});
