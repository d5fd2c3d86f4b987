import assert from "node:assert/strict";
import { join } from "node:path";
import { after, test } from "node:test";
import { WrennError } from "@wrenn/core";
import { guestChannel } from "@wrenn/protocol";
import { NativeAgent } from "./support/native-agent.ts";
import { ScriptedLane } from "./support/scripted-lane.ts";

const { operation, status } = guestChannel;
const signal = AbortSignal.timeout(30_000);
const agent = await NativeAgent.start();
const bulk = join(agent.directory, "earlier.sock");
/** What the file has that the agent opened, in the place of the one that it described. */
let opened = "";
const lane = await ScriptedLane.listen(bulk, (op, body) => {
  if (op === operation.close) return { status: status.unknownHandle, body: Buffer.of() };
  if (op !== operation.read) return { status: status.badRequest, body: Buffer.from("unknown operation") };
  const id = guestChannel.streamId(body.readUInt32LE(), guestChannel.stream.output);
  return {
    status: status.ok,
    body: entryOf("/file", 5),
    stream: (epoch) => [...dataOf(epoch, id, Buffer.from(opened)), ...endOf(epoch, id, opened.length)],
  };
});
const link = await agent.connect({ interactive: agent.interactive, bulk });
after(async () => {
  await link.detach();
  await lane[Symbol.asyncDispose]();
  await agent[Symbol.asyncDispose]();
});

/** An entry as agents have always described one, without anything behind it. */
function entryOf(path: string, size: number): Uint8Array {
  const body = new guestChannel.BodyWriter().text(path).u8(1).u32(0o644).u32(0).u32(0);
  return body.text("root").text("root").u64(size).u64(0n).u64(1n).u32(1).text("").u8(0).finish();
}

function* dataOf(epoch: number, id: number, bytes: Buffer): Generator<Uint8Array> {
  const part = guestChannel.MAX_PAYLOAD / 2;
  for (let at = 0; at < bytes.length; at += part)
    yield* guestChannel.encodeData(epoch, id, at, bytes.subarray(at, at + part));
}

function endOf(epoch: number, id: number, offset: number): readonly Uint8Array[] {
  const payload = Buffer.alloc(12);
  payload.writeBigUInt64LE(BigInt(offset));
  return guestChannel.encodeFrame(epoch, guestChannel.frameType.end, id, [payload]);
}

async function read(): Promise<string> {
  const { size, bytes } = await link.files.read("/file", { signal });
  assert.equal(size, 5);
  return Buffer.concat(await Array.fromAsync(bytes)).toString();
}

test("an agent that describes one file and opens another is noticed by the length", async () => {
  opened = "right";
  assert.equal(await read(), "right");
  for (opened of ["longer than that", "less", ""])
    await assert.rejects(read(), (error) => WrennError.is(error, "file_operation_failed"), opened);
});

test("of a file that is longer than its description no byte past the described size is given out", async () => {
  opened = "x".repeat(200_000);
  const { bytes } = await link.files.read("/file", { signal });
  const given: Uint8Array[] = [];
  const taking = (async () => {
    for await (const chunk of bytes) given.push(chunk);
  })();
  await assert.rejects(taking, (error) => WrennError.is(error, "file_operation_failed"));
  assert.ok(Buffer.concat(given).length <= 5);
});

test("an agent without pages is asked for its whole list, of which pages are cut", async () => {
  const paths = ["a", "a/b", "a-b", "c", "c/d"].map((path) => `/top/${path}`);
  const socket = join(agent.directory, "earlier-lists.sock");
  await using lists = await ScriptedLane.listen(socket, (op) => {
    if (op !== operation.listDirectory)
      return { status: status.badRequest, body: Buffer.from("unknown operation") };
    const count = Buffer.alloc(4);
    count.writeUInt32LE(paths.length);
    return { status: status.ok, body: Buffer.concat([count, ...paths.map((path) => entryOf(path, 0))]) };
  });
  const earlier = await agent.connect({ interactive: agent.interactive, bulk: socket });
  await using ending = { [Symbol.asyncDispose]: () => earlier.detach() };
  for (const limit of [1, 2, 5, 6]) {
    const found: string[] = [];
    for (let after: string | undefined, isLast = false; !isLast;) {
      const page = await earlier.files.listPage(
        "/top",
        { depth: 2, limit, ...(after === undefined ? {} : { after }) },
        { signal },
      );
      assert.ok(page.entries.length <= limit);
      found.push(...page.entries.map(({ path }) => path));
      after = page.next;
      isLast = after === undefined;
    }
    assert.deepEqual(found, paths, `limit ${limit}`);
  }
  void [lists, ending];
});

test("an agent that sets modes of new files only gets the mode of a file that exists by a second call", async () => {
  const socket = join(agent.directory, "earlier-modes.sock");
  const asked: (number | string)[] = [];
  await using modes = await ScriptedLane.listen(socket, (op, body) => {
    if (op === operation.write) {
      const flags = body.readUInt32LE(body.length - 4);
      asked.push(`write ${flags}`);
      if (flags > 3) return { status: status.badRequest, body: Buffer.from("WRITE does not parse") };
      return { status: status.ok, body: new guestChannel.BodyWriter().u64(1 << 20).finish() };
    }
    asked.push(op);
    return op === operation.commit || op === operation.changeMode
      ? { status: status.ok, body: entryOf("/file", 0) }
      : { status: status.unknownHandle, body: Buffer.of() };
  });
  const earlier = await agent.connect({ interactive: agent.interactive, bulk: socket });
  await using ending = { [Symbol.asyncDispose]: () => earlier.detach() };
  const nothing = (async function* () {})();
  await earlier.files.write("/file", nothing, { signal, mode: 0o755 });
  assert.deepEqual(asked, ["write 5", "write 1", operation.commit, operation.changeMode]);
  void [modes, ending];
});

test("an agent without resumable uploads is said to have none", async () => {
  const { uploads } = link.files;
  const unsupported = (error: unknown): boolean => WrennError.is(error, "uploads_unsupported");
  await assert.rejects(uploads.create({ id: "up-1", path: "/file", size: 1 }, { signal }), unsupported);
  await assert.rejects(uploads.state("up-1", { signal }), unsupported);
  const nothing = (async function* () {})();
  await assert.rejects(uploads.append("up-1", 0, nothing, { signal }), unsupported);
  await assert.rejects(uploads.abandon("up-1", { signal }), unsupported);
});

test("an agent without attributes has files without any, and gives none", async () => {
  assert.deepEqual(await link.files.attributes(["/a", "/b"], "user.x.", { signal }), [{}, {}]);
  await link.files.setAttributes("/a", "user.x.", {}, { signal });
  await assert.rejects(link.files.setAttributes("/a", "user.x.", { "user.x.a": "1" }, { signal }), (error) =>
    WrennError.is(error, "attributes_unsupported"),
  );
});

test("an agent that cannot grow its disk is a typed refusal, and one outside of a machine grows nothing", async () => {
  const interactive = join(agent.directory, "earlier-interactive.sock");
  await using earlier = await ScriptedLane.listen(interactive, () => ({
    status: status.badRequest,
    body: Buffer.from("unknown operation"),
  }));
  const other = await agent.connect({ interactive, bulk });
  await assert.rejects(other.growDisk(2 ** 33, signal), (error) => WrennError.is(error, "disk_not_growable"));
  await other.detach();
  await assert.rejects(link.growDisk(2 ** 33, signal), (error) => WrennError.is(error, "operation_failed"));
  assert.ok(earlier);
});

test("an agent that lists TCP ports only, and has no digest of listeners, is asked for those", async () => {
  const interactive = join(agent.directory, "earlier-control.sock");
  const ports = new guestChannel.BodyWriter()
    .u32(2)
    .u8(4)
    .u16(80)
    .bytes(Buffer.from([127, 0, 0, 1]))
    .u32(7);
  ports.u8(6).u16(443).bytes(Buffer.alloc(16)).u32(0);
  await using control = await ScriptedLane.listen(interactive, (op) => {
    if (op === operation.ports) return { status: status.ok, body: ports.finish() };
    if (op === operation.counters) return { status: status.ok, body: Buffer.alloc(100) };
    return { status: status.badRequest, body: Buffer.from("unknown operation") };
  });
  const earlier = await agent.connect({ interactive, bulk });
  await using ending = { [Symbol.asyncDispose]: () => earlier.detach() };
  assert.deepEqual(await earlier.listeners(signal), {
    ports: [
      { protocol: "tcp", port: 80, address: "127.0.0.1", uid: 7 },
      { protocol: "tcp", port: 443, address: "::", uid: 0 },
    ],
    total: 2,
  });
  const { listeners, oom, memoryCached } = await earlier.counters(signal);
  assert.deepEqual([listeners, oom, memoryCached], [undefined, undefined, undefined]);
  const present = await link.counters(signal);
  assert.ok(present.memoryCached !== undefined && present.memoryCached > 0);
  assert.ok(present.memoryCached < present.memoryTotal);
  void [control, ending];
});
