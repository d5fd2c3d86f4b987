import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { before, test } from "node:test";
import { newId, systemRandom } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import { FileEntry, UPLOAD_LIFETIME_MS, UPLOAD_LIMIT, UploadState } from "@wrenn/protocol";
import type { AppendedUpload, AppendOptions, CapsuleFiles, WriteOptions } from "@wrenn/protocol";
import { Value } from "typebox/value";
import { chunks, collect, rejects } from "./contract-lab.ts";
import type { ContractLab } from "./contract-lab.ts";

/** What HostAgent promises of uploads that can be continued. */
export function uploadContract(name: string, lab: ContractLab): void {
  const { signal } = lab;
  const at = (path: string): string => `${lab.subject.directory}/uploads/${path}`;
  let id: string;
  let files: CapsuleFiles;
  before(async () => {
    id = await lab.capsule();
    files = lab.agent.files(id);
  });
  const begin = async (path: string, size: number, options: WriteOptions = {}): Promise<string> => {
    const upload = newId("upload", systemRandom);
    await files.uploads.create({ id: upload, path: at(path), size }, { signal, ...options });
    return upload;
  };
  const append = async (
    upload: string,
    offset: number,
    part: string | Error,
    options: AppendOptions = {},
  ): Promise<AppendedUpload> =>
    await files.uploads.append(upload, offset, chunks(part), { signal, ...options });
  const offsetOf = async (upload: string): Promise<number> =>
    (await files.uploads.state(upload, { signal })).offset;
  const contentOf = async (path: string): Promise<string> =>
    (await collect((await files.read(at(path), { signal })).bytes)).toString();

  test(`${name}: an upload in parts appears whole with its last byte`, async () => {
    const first = Buffer.alloc(3_000_000, "first");
    const upload = newId("upload", systemRandom);
    const target = { id: upload, path: at("parts/file"), size: first.length + 4 };
    const state = await files.uploads.create(target, { signal, mode: 0o640 });
    assert.ok(Value.Check(UploadState, state));
    assert.deepEqual([state.path, state.size, state.offset], [target.path, target.size, 0]);
    const part = await files.uploads.append(upload, 0, chunks(first), { signal });
    assert.deepEqual([part.offset, part.entry], [first.length, undefined]);
    assert.ok(part.expiresInMs > UPLOAD_LIFETIME_MS - 60_000 && part.expiresInMs <= UPLOAD_LIFETIME_MS);
    await rejects(() => files.stat(at("parts"), { signal }), "path_not_found", /parts/);
    assert.equal(await offsetOf(upload), first.length);
    const whole = await append(upload, first.length, "last");
    assert.equal(whole.offset, target.size);
    assert.ok(Value.Check(FileEntry, whole.entry));
    assert.deepEqual([whole.entry?.path, whole.entry?.mode], [target.path, 0o640]);
    assert.equal(await contentOf("parts/file"), `${first.toString()}last`);
    await rejects(() => files.uploads.state(upload, { signal }), "upload_not_found", new RegExp(upload));
    await rejects(() => append(upload, 0, "x"), "upload_not_found");
    await rejects(() => files.uploads.abandon(upload, { signal }), "upload_not_found");
  });

  test(`${name}: an upload goes on at its offset only, and not past its size`, async () => {
    const upload = await begin("ten", 10);
    assert.equal((await append(upload, 0, "0123")).offset, 4);
    for (const wrong of [0, 3, 5, 10])
      await rejects(() => append(upload, wrong, "456789"), "upload_offset_differs", /byte 4/);
    await rejects(() => append(upload, 4, "456789x"), "upload_too_long");
    assert.equal(await offsetOf(upload), 4);
    assert.equal((await append(upload, 4, "")).offset, 4);
    assert.equal((await append(upload, 4, "456789")).entry?.size, 10);
    assert.equal(await contentOf("ten"), "0123456789");
  });

  test(`${name}: content that breaks off keeps what arrived, and never completes an upload`, async () => {
    const upload = await begin("broken", 8);
    const breaking = chunks("0123", new Error("the client left"));
    await assert.rejects(files.uploads.append(upload, 0, breaking, { signal }), /the client left/);
    assert.equal(await offsetOf(upload), 4);
    const all = chunks("4567", new Error("the client left"));
    await assert.rejects(files.uploads.append(upload, 4, all, { signal }), /the client left/);
    assert.equal(await offsetOf(upload), 8);
    await rejects(() => files.stat(at("broken"), { signal }), "path_not_found");
    assert.equal((await append(upload, 8, "")).entry?.size, 8);
    assert.equal(await contentOf("broken"), "01234567");
  });

  test(`${name}: an empty file is complete with an empty append`, async () => {
    const upload = await begin("empty", 0);
    await rejects(() => files.stat(at("empty"), { signal }), "path_not_found");
    assert.equal((await append(upload, 0, "")).entry?.size, 0);
  });

  test(`${name}: a part with another digest is not kept`, async () => {
    const sha256 = (text: string): string => createHash("sha256").update(text).digest("base64");
    const upload = await begin("verified", 6);
    await append(upload, 0, "abc", { sha256: sha256("abc") });
    await rejects(() => append(upload, 3, "dex", { sha256: sha256("def") }), "content_digest_mismatch");
    assert.equal(await offsetOf(upload), 3);
    await append(upload, 3, "def", { sha256: sha256("def") });
    assert.equal(await contentOf("verified"), "abcdef");
  });

  test(`${name}: of two appends at once one is refused, and the other goes on`, async () => {
    const upload = await begin("contended", 6);
    const go = Promise.withResolvers<void>();
    const slow = async function* (): AsyncGenerator<Uint8Array> {
      yield Buffer.from("abc");
      await go.promise;
      yield Buffer.from("def");
    };
    const winner = files.uploads.append(upload, 0, slow(), { signal });
    await eventually("the first bytes arrive", async () => (await offsetOf(upload)) === 3);
    await rejects(() => append(upload, 3, "xyz"), "upload_in_use");
    go.resolve();
    assert.equal((await winner).entry?.size, 6);
    assert.equal(await contentOf("contended"), "abcdef");
  });

  test(`${name}: abandoning an upload ends the append that goes on, and no file appears`, async () => {
    const upload = await begin("abandoned", 6);
    const go = Promise.withResolvers<void>();
    const slow = async function* (): AsyncGenerator<Uint8Array> {
      yield Buffer.from("abc");
      await go.promise;
      yield Buffer.from("def");
    };
    const append = files.uploads.append(upload, 0, slow(), { signal });
    const refused = rejects(() => append, "upload_not_found");
    await eventually("the first bytes arrive", async () => (await offsetOf(upload)) === 3);
    await files.uploads.abandon(upload, { signal });
    go.resolve();
    await refused;
    await rejects(() => files.stat(at("abandoned"), { signal }), "path_not_found");
  });

  test(`${name}: the target of an upload is judged at its begin and at its end`, async () => {
    await files.makeDirectory(at("directory"), { signal });
    await files.write(at("old"), chunks("old"), { signal });
    await rejects(() => begin("directory", 1), "is_a_directory");
    await rejects(() => begin("old", 1, { exclusive: true }), "path_exists");
    await rejects(() => begin("old/below", 1), "not_a_directory");
    const target = { id: newId("upload", systemRandom), path: at("x"), size: 1 };
    await rejects(() => files.uploads.create(target, { signal, user: "no-such-user" }), "user_not_found");
    const replacing = await begin("old", 3);
    await append(replacing, 0, "ne");
    assert.equal(await contentOf("old"), "old");
    await append(replacing, 2, "w");
    assert.equal(await contentOf("old"), "new");
    const exclusive = await begin("rival", 4, { exclusive: true });
    await files.write(at("rival"), chunks("first"), { signal });
    await rejects(() => append(exclusive, 0, "last"), "path_exists");
    assert.equal(await contentOf("rival"), "first");
    assert.equal(await offsetOf(exclusive), 4, "it can still be completed, or abandoned");
    await files.remove(at("rival"), { signal, recursive: false });
    assert.equal((await append(exclusive, 4, "")).entry?.size, 4);
  });

  test(`${name}: uploads are bounded in number, and those that are abandoned make room`, async () => {
    const uploads: string[] = [];
    while (uploads.length < UPLOAD_LIMIT) uploads.push(await begin(`many-${uploads.length}`, 1));
    await rejects(() => begin("one-more", 1), "too_many_uploads");
    for (const upload of uploads) await files.uploads.abandon(upload, { signal });
    await rejects(() => append(uploads[0] ?? "", 0, "x"), "upload_not_found");
    await files.uploads.abandon(await begin("one-more", 1), { signal });
  });

  test(`${name}: another capsule does not know an upload, and a paused one does not answer`, async () => {
    const upload = await begin("own", 6);
    await append(upload, 0, "abc");
    const [child] = await lab.agent.forkCapsule(id, [lab.spec()], signal);
    assert.ok(child);
    await rejects(() => lab.agent.files(child.id).uploads.state(upload, { signal }), "upload_not_found");
    await lab.agent.destroyCapsule(child.id, signal);
    assert.equal((await append(upload, 3, "def")).entry?.size, 6);
    await lab.agent.pauseCapsule(id, signal);
    await rejects(() => lab.agent.files(id).uploads.state(upload, { signal }), "capsule_not_running");
  });
}
