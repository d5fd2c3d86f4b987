import assert from "node:assert/strict";
import { readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { WrennError } from "@wrenn/core";
import { guestChannel } from "@wrenn/protocol";
import type { FileEntry, FileVersion, WriteCondition } from "@wrenn/protocol";
import { NativeAgent } from "./support/native-agent.ts";
import { ScriptedLane } from "./support/scripted-lane.ts";

/* Conditions of a write hold in the moment of the replacement. */

const signal = AbortSignal.timeout(120_000);
const agent = await NativeAgent.start();
const link = await agent.connect();
after(async () => {
  await link.detach();
  await agent[Symbol.asyncDispose]();
});
const at = (name: string): string => join(agent.directory, name);
const failed = (error: unknown): boolean => WrennError.is(error, "precondition_failed");

async function* bytes(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text);
}

const write = async (name: string, text: string, condition?: WriteCondition): Promise<FileEntry> =>
  await link.files.write(at(name), bytes(text), { signal, ...(condition && { condition }) });

const other: FileVersion = { inode: 2n ** 64n - 1n, size: 5, modifiedNs: -1n };

test("each condition holds or fails, and a failure changes nothing", async () => {
  const first = await write("file", "first");
  for (const condition of [
    { exists: true, anyOf: [other] },
    { exists: true, anyOf: [] },
    { exists: false, noneOf: [other, first] },
    { exists: false, unmodifiedSince: Number(first.modifiedNs / 1_000_000_000n) - 1 },
  ])
    await assert.rejects(write("file", "lost", condition), failed, JSON.stringify(Object.keys(condition)));
  assert.equal(await readFile(at("file"), "utf8"), "first");
  await assert.rejects(write("none", "x", { exists: true }), failed);
  await assert.rejects(stat(at("none")), { code: "ENOENT" });
  const second = await write("file", "second", { exists: true, anyOf: [other, first] });
  const third = await write("file", "third", { exists: true, noneOf: [other, first] });
  const now = Number(third.modifiedNs / 1_000_000_000n);
  await write("file", "fourth", { exists: false, unmodifiedSince: now });
  await write("new", "x", { exists: false, noneOf: [second], unmodifiedSince: 0 });
  assert.equal(await readFile(at("file"), "utf8"), "fourth");
});

test("a file of before 1970 has a version like any other", async () => {
  await writeFile(at("old"), "old");
  await utimes(at("old"), new Date(-10_000), new Date(-10_000));
  const entry = await link.files.stat(at("old"), { signal });
  assert.ok(entry.modifiedNs < 0n);
  await assert.rejects(write("old", "x", { exists: false, unmodifiedSince: -11 }), failed);
  await write("old", "x", { exists: true, anyOf: [entry], unmodifiedSince: -10 });
});

test("of many writers that expect the same version one succeeds, in each round", async () => {
  let current = await write("race", "0");
  for (let round = 1; round <= 15; round += 1) {
    const outcomes = await Promise.allSettled(
      Array.from({ length: 8 }, async (_, writer) =>
        write("race", `${round}:${writer}`, { exists: true, anyOf: [current] }),
      ),
    );
    const won = outcomes.flatMap((outcome, writer) =>
      outcome.status === "fulfilled" ? [{ entry: outcome.value, writer }] : [],
    );
    for (const outcome of outcomes) if (outcome.status === "rejected") assert.ok(failed(outcome.reason));
    const [winner] = won;
    assert.ok(winner && won.length === 1, `${won.length} writers succeeded in round ${round}`);
    assert.equal(await readFile(at("race"), "utf8"), `${round}:${winner.writer}`);
    current = winner.entry;
  }
});

test("a change during the upload is noticed at its end", async () => {
  const entry = await write("slow", "old");
  async function* changing(): AsyncGenerator<Uint8Array> {
    yield Buffer.from("n");
    await writeFile(at("slow"), "changed inside");
    yield Buffer.from("ew");
  }
  const condition = { exists: true, anyOf: [entry] };
  await assert.rejects(link.files.write(at("slow"), changing(), { signal, condition }), failed);
  async function* removing(): AsyncGenerator<Uint8Array> {
    await rm(at("slow"));
    yield Buffer.from("new");
  }
  await assert.rejects(
    link.files.write(at("slow"), removing(), { signal, condition: { exists: true } }),
    failed,
  );
  await assert.rejects(stat(at("slow")), { code: "ENOENT" });
});

test("a resumable upload is held to its condition at its begin and at its end, and keeps its bytes", async () => {
  const { uploads } = link.files;
  const entry = await write("resumed", "old");
  const condition = { exists: true, anyOf: [entry] };
  const begin = { path: at("resumed"), size: 3 };
  await assert.rejects(
    uploads.create({ ...begin, id: "up-0" }, { signal, condition: { exists: true, anyOf: [other] } }),
    failed,
  );
  await uploads.create({ ...begin, id: "up-1" }, { signal, condition });
  await write("resumed", "changed");
  await assert.rejects(uploads.append("up-1", 0, bytes("new"), { signal }), failed);
  assert.equal((await uploads.state("up-1", { signal })).offset, 3);
  assert.equal(await readFile(at("resumed"), "utf8"), "changed");
  await uploads.abandon("up-1", { signal });
});

test("an agent of an earlier version is never asked to write without the condition", async () => {
  const { operation, status } = guestChannel;
  const asked: number[] = [];
  await using earlier = await ScriptedLane.listen(at("earlier.sock"), (op) => {
    asked.push(op);
    return { status: status.badRequest, body: Buffer.from("WRITE does not parse") };
  });
  const old = await agent.connect({ interactive: agent.interactive, bulk: at("earlier.sock") });
  await using ending = { [Symbol.asyncDispose]: () => old.detach() };
  const unsupported = (error: unknown): boolean => WrennError.is(error, "conditions_unsupported");
  const condition = { exists: true };
  await assert.rejects(old.files.write("/f", bytes("x"), { signal, condition }), unsupported);
  const begun = old.files.uploads.create({ id: "up-2", path: "/f", size: 1 }, { signal, condition });
  await assert.rejects(begun, unsupported);
  assert.deepEqual(
    asked.filter((op) => op === operation.commit),
    [],
  );
  void [earlier, ending];
});
