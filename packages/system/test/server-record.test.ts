import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { findServer, removeServerRecord, writeServerRecord } from "@wrenn/system";

const directory = await mkdtemp("/tmp/wrenn-record-");
after(() => rm(directory, { recursive: true }));
const path = join(directory, "server.json");

test("a server is found from when it is recorded until its record is removed", async () => {
  assert.equal(await findServer(path), undefined);
  await writeServerRecord(path, "http://127.0.0.1:8080");
  assert.equal((await findServer(path))?.url, "http://127.0.0.1:8080");
  await removeServerRecord(path);
  assert.equal(await findServer(path), undefined);
});

test("the record of a process that has exited, and a damaged one, name no server", async () => {
  await writeServerRecord(path, "http://127.0.0.1:8080");
  const record = JSON.parse(await readFile(path, "utf8")) as { readonly process: object };
  // Another start time: the pid was given to a new process.
  await writeFile(path, JSON.stringify({ ...record, process: { ...record.process, startTime: "1" } }));
  assert.equal(await findServer(path), undefined);
  await writeFile(path, '{"process":');
  assert.equal(await findServer(path), undefined);
});
