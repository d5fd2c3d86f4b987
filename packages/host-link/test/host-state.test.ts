import assert from "node:assert/strict";
import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { readHostState, writeHostState } from "@wrenn/host-link";

test("the credentials of a host are kept in a file that only its owner can read", async () => {
  const directory = await mkdtemp("/tmp/wrenn-host-");
  const path = join(directory, "host.json");
  try {
    assert.equal(await readHostState(path), undefined);
    const state = {
      url: "http://cp",
      hostId: "host-1",
      token: "t",
      refreshToken: "r",
      keyPem: "k",
      certPem: "c",
      caPem: "a",
      issuedAt: 5,
    };
    await writeHostState(path, state);
    assert.deepEqual(await readHostState(path), state);
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    await writeFile(path, '{"url":"http://cp"}');
    await assert.rejects(readHostState(path), { reason: "host_state_damaged" });
  } finally {
    await rm(directory, { recursive: true });
  }
});
