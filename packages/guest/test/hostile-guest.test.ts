import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { silentLogger, systemClock, systemRandom, WrennError } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import { GuestLink } from "@wrenn/guest";
import { guestChannel } from "@wrenn/protocol";
import { request } from "./support/collect.ts";
import { ScriptedLane } from "./support/scripted-lane.ts";
import type { ScriptedAnswer } from "./support/scripted-lane.ts";

const { operation, encodeData, encodeEnd, encodeFrame, frameType, FLAG_MORE } = guestChannel;
const signal = AbortSignal.timeout(60_000);
const MIB = 1 << 20;

const done: ScriptedAnswer = { status: 0, body: Buffer.alloc(64) };
const entry = new guestChannel.BodyWriter()
  .text("/x")
  .u8(1)
  .u32(0o644)
  .u32(0)
  .u32(0)
  .text("root")
  .text("root")
  .u64(1 << 30)
  .u64(0)
  .u64(1)
  .u32(1)
  .text("")
  .u8(0)
  .finish();

/** A link to a guest that answers as the test says. */
async function linkTo(
  t: TestContext,
  answer: (op: number, body: Buffer) => ScriptedAnswer,
  bufferBytes = 64 * MIB,
): Promise<GuestLink> {
  const directory = await mkdtemp(join(tmpdir(), "wrenn-hostile-"));
  const paths = { interactive: join(directory, "a.sock"), bulk: join(directory, "b.sock") };
  const lanes = [
    await ScriptedLane.listen(paths.interactive, answer),
    await ScriptedLane.listen(paths.bulk, answer),
  ];
  const link = await GuestLink.connect(
    { ...paths, clock: systemClock, logger: silentLogger, random: systemRandom, bufferBytes },
    signal,
  );
  t.after(async () => {
    await link.detach();
    for (const lane of lanes) await lane[Symbol.asyncDispose]();
    await rm(directory, { recursive: true });
  });
  return link;
}

/** Frames of a guest that sends on the stream of a file or on the standard output of a process. */
type Sent = (epoch: number, stream: number) => readonly Uint8Array[];
const part = Buffer.alloc(131_064);
const violations: Readonly<Record<string, Sent>> = {
  "more bytes than its window": (epoch, stream) =>
    Array.from({ length: 64 }, (_, index) => encodeData(epoch, stream, index * part.length, part)).flat(),
  "bytes at an offset beyond its window": (epoch, stream) => encodeData(epoch, stream, 2 ** 40, part),
  "an offset beyond 2^53": (epoch, stream) =>
    encodeFrame(epoch, frameType.data, stream, [Buffer.alloc(8, 0xff), part]),
  "bytes that reach beyond 2^53": (epoch, stream) =>
    encodeData(epoch, stream, Number.MAX_SAFE_INTEGER - 1, part),
  "a frame without an offset": (epoch, stream) =>
    encodeFrame(epoch, frameType.data, stream, [Buffer.alloc(3)]),
  "an end beyond 2^53": (epoch, stream) =>
    encodeFrame(epoch, frameType.end, stream, [Buffer.alloc(12, 0xff)]),
  "half an end": (epoch, stream) => encodeFrame(epoch, frameType.end, stream, [Buffer.alloc(4)]),
};

for (const [what, sent] of Object.entries(violations)) {
  test(`a guest that sends ${what} of a file loses its link, and every call says why`, async (t) => {
    const link = await linkTo(t, (op, body) => {
      if (op !== operation.read) return done;
      const stream = guestChannel.streamId(body.readUInt32LE(), guestChannel.stream.output);
      return { status: 0, body: entry, stream: (epoch) => sent(epoch, stream) };
    });
    const read = link.files.read("/x", { signal });
    read.catch(() => {});
    await eventually("the link is given up", async () => {
      return await link.info(signal).then(
        () => false,
        (error: unknown) => WrennError.is(error, "guest_protocol"),
      );
    });
    await assert.rejects(
      async () => {
        for await (const bytes of (await read).bytes) assert.ok(bytes);
      },
      { reason: "guest_protocol" },
    );
    await assert.rejects(link.info(signal), { reason: "guest_protocol" });
    await assert.rejects(link.processes.start(request("true"), signal), { reason: "guest_protocol" });
  });

  for (const output of ["attached", "detached"] as const) {
    // Detached output never waits: the guest may send whatever it has, and has to number it.
    if (output === "detached" && /window|more bytes/.test(what)) continue;
    test(`a guest that sends ${what} of ${output} output loses its link, and every call says why`, async (t) => {
      let epochOf: ((epoch: number) => readonly Uint8Array[]) | undefined;
      const link = await linkTo(t, (op, body) => {
        if (op === operation.start) {
          const stream = guestChannel.streamId(body.readUInt32LE(), guestChannel.stream.output);
          epochOf = (epoch) => sent(epoch, stream);
        }
        if (op === operation.stat) return { status: 0, body: entry, ...(epochOf ? { stream: epochOf } : {}) };
        if (op === operation.wait) return { status: 5, body: Buffer.alloc(0) };
        return done;
      });
      const process = await link.processes.start(request("yes", [], { output }), signal);
      // The bulk lane carries the output of commands.
      await link.files.stat("/x", { signal });
      await eventually("the link is given up", async () => {
        return await link.files.stat("/x", { signal }).then(
          () => false,
          (error: unknown) => WrennError.is(error, "guest_protocol"),
        );
      });
      await assert.rejects(process.kill(9, "tree", signal), { reason: "guest_protocol" });
    });
  }
}

test("the last bytes of a file that is said to end at 2^53 are refused, and cost nothing", async (t) => {
  const size = new guestChannel.BodyWriter().u64(Number.MAX_SAFE_INTEGER).finish();
  const huge = Buffer.from(entry);
  const at = entry.indexOf(new guestChannel.BodyWriter().u64(1 << 30).finish());
  size.copy(huge, at);
  const link = await linkTo(t, (op, body) => {
    if (op !== operation.read) return done;
    const stream = guestChannel.streamId(body.readUInt32LE(), guestChannel.stream.output);
    return {
      status: 0,
      body: huge,
      // Each frame begins where the last one ended, as far as numbers tell.
      stream: (epoch) =>
        Array.from({ length: 256 }, () =>
          encodeFrame(epoch, frameType.data, stream, [
            new guestChannel.BodyWriter().u64(Number.MAX_SAFE_INTEGER).finish(),
            part,
          ]),
        ).flat(),
    };
  });
  await assert.rejects(link.files.read("/x", { signal, range: { last: 1 } }), { reason: "guest_protocol" });
  await eventually("its memory is given back", () => link.bufferedBytes < MIB);
});

test("a file whose bytes are not all sent is not taken for complete", async (t) => {
  const link = await linkTo(t, (op, body) => {
    if (op !== operation.read) return done;
    const stream = guestChannel.streamId(body.readUInt32LE(), guestChannel.stream.output);
    return {
      status: 0,
      body: entry,
      stream: (epoch) => [
        ...encodeData(epoch, stream, 10, Buffer.alloc(10)),
        ...encodeEnd(epoch, stream, 20),
      ],
    };
  });
  await assert.rejects(
    async () => {
      for await (const bytes of (await link.files.read("/x", { signal })).bytes) assert.ok(bytes);
    },
    { reason: "guest_protocol" },
  );
});

test("answers in parts use the memory of their capsule; one without room fails and the others go on", async (t) => {
  const part = Buffer.alloc(131_072);
  let request = 0;
  // The first frame of an answer of which the rest never comes.
  const link = await linkTo(
    t,
    (op) => {
      if (op !== operation.listDirectory) return done;
      const id = ++request;
      return {
        status: 0,
        body: entry,
        stream: (epoch) =>
          Array.from({ length: 32 }, () =>
            encodeFrame(epoch, frameType.response, id + 1, [part], FLAG_MORE),
          ).flat(),
      };
    },
    8 * MIB,
  );
  const lists = Array.from({ length: 4 }, () =>
    link.files.list("/x", 1, { signal }).then(
      () => "answered",
      (error: unknown) => (error as { reason?: string }).reason,
    ),
  );
  await Promise.race(lists);
  assert.ok(link.bufferedBytes <= 9 * MIB, `${link.bufferedBytes} bytes`);
});

test("a short answer that does not end is a violation of the protocol", async (t) => {
  const link = await linkTo(t, (op) =>
    op === operation.stat
      ? {
          status: 0,
          body: entry,
          stream: (epoch) => [
            ...encodeFrame(epoch, frameType.response, 2, [part], FLAG_MORE),
            ...encodeFrame(epoch, frameType.response, 2, [part], FLAG_MORE),
          ],
        }
      : done,
  );
  const first = link.files.stat("/x", { signal });
  const second = link.files.stat("/x", { signal });
  await first;
  await assert.rejects(second, { reason: "guest_protocol" });
});

test("a guest that breaks the framing again and again is given up with a typed error", async (t) => {
  const directory = await mkdtemp(join(tmpdir(), "wrenn-hostile-"));
  const path = join(directory, "lane.sock");
  let connections = 0;
  const server = createServer((socket) => {
    connections++;
    socket.on("error", () => {});
    socket.once("data", (hello: Buffer) => {
      socket.write(Buffer.concat([guestChannel.welcomeMagic, hello.subarray(16, 64)]));
      socket.write(Buffer.alloc(64, 0xee));
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const link = GuestLink.open({
    interactive: path,
    bulk: path,
    clock: systemClock,
    logger: silentLogger,
    random: systemRandom,
  });
  t.after(async () => {
    await link.detach();
    server.close();
    await rm(directory, { recursive: true });
  });
  await assert.rejects(link.info(signal), { reason: "guest_protocol" });
  const before = connections;
  await systemClock.sleep(200);
  assert.equal(connections, before, "it is connected to again");
});

/** A guest that has stopped: it is connected and reads nothing after the greeting. */
async function stalledLink(t: TestContext, bufferBytes?: number): Promise<GuestLink> {
  const directory = await mkdtemp(join(tmpdir(), "wrenn-hostile-"));
  const path = join(directory, "lane.sock");
  const sockets = new Set<{ destroy(): void }>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.once("data", (hello: Buffer) => {
      socket.write(Buffer.concat([guestChannel.welcomeMagic, hello.subarray(16, 64)]));
      socket.pause();
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const link = await GuestLink.connect(
    {
      interactive: path,
      bulk: path,
      clock: systemClock,
      logger: silentLogger,
      random: systemRandom,
      ...(bufferBytes === undefined ? {} : { bufferBytes }),
    },
    signal,
  );
  t.after(async () => {
    await link.detach();
    for (const socket of sockets) socket.destroy();
    server.close();
    await rm(directory, { recursive: true });
  });
  return link;
}

test("requests to a guest that has stopped are freed at once when they are given up", async (t) => {
  const link = await stalledLink(t);
  const idle = link.bufferedBytes;
  for (let round = 0; round < 40; round++) {
    const gone = new AbortController();
    const calls = Array.from({ length: 12 }, () => [
      link.processes.start(request("true", ["x".repeat(900_000)]), gone.signal),
      link.files.stat("/x", { signal: gone.signal }),
    ]).flat();
    const settled = Promise.allSettled(calls);
    await systemClock.sleep(1);
    gone.abort(new Error("the client left"));
    for (const outcome of await settled) assert.equal(outcome.status, "rejected");
  }
  // What the guest may have read of the first requests is answered for: signals and orders to forget, without bodies.
  assert.ok(link.bufferedBytes - idle < 2 * MIB, `${link.bufferedBytes - idle} bytes`);
  // 412 MiB went by; what is left waits for the garbage collector.
  const { arrayBuffers } = process.memoryUsage();
  assert.ok(arrayBuffers < 160 * MIB, `${arrayBuffers} bytes of buffers`);
});

test("downloads that are given up before a guest that has stopped hears of them leave no orders behind", async (t) => {
  const link = await stalledLink(t);
  const idle = link.bufferedBytes;
  for (let round = 0; round < 60; round++) {
    const gone = new AbortController();
    const settled = Promise.allSettled(
      Array.from({ length: 100 }, () => link.files.read("/x", { signal: gone.signal })),
    );
    await new Promise<void>((resolve) => setImmediate(resolve));
    gone.abort(new Error("the client left"));
    for (const outcome of await settled) assert.equal(outcome.status, "rejected");
  }
  assert.ok(link.bufferedBytes - idle < 4.5 * MIB, `${link.bufferedBytes - idle} bytes`);
});

test("a guest that has stopped is sent a bounded number of requests; further ones are refused", async (t) => {
  const link = await stalledLink(t);
  const gone = new AbortController();
  const outcomes = await Promise.all(
    Array.from({ length: 5000 }, async () => {
      const call = link.files.stat("/x", { signal: gone.signal });
      setTimeout(() => gone.abort(new Error("the client left")), 100).unref();
      return await call.then(
        () => "answered",
        (error: unknown) => (error as { reason?: string }).reason ?? "left",
      );
    }),
  );
  assert.equal(outcomes.filter((outcome) => outcome === "guest_busy").length, 5000 - 2048);
  assert.equal(outcomes.filter((outcome) => outcome === "left").length, 2048);
  assert.ok(link.bufferedBytes < MIB, `${link.bufferedBytes} bytes`);
});

test("the host's own questions are asked although users have filled the capsule's memory", async (t) => {
  const link = await linkTo(
    t,
    (op) => (op === operation.start ? { status: 1000, body: Buffer.from("full") } : done),
    MIB,
  );
  await assert.rejects(link.processes.start(request("true", ["x".repeat(900_000)]), signal), {
    reason: "guest_busy",
  });
  await assert.rejects(link.processes.start(request("true"), signal), { reason: "guest_busy" });
  await link.info(signal);
});
