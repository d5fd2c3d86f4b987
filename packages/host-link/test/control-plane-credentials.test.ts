import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { silentLogger } from "@wrenn/core";
import { ControlPlaneCredentials } from "@wrenn/host-link";

const HALF_DAY = 12 * 3_600_000;
const MINUTE = 60_000;

test("a certificate is renewed after half a day, and again each minute while renewing fails", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  let issued = 0;
  let fails = false;
  const authority = {
    issueControlPlane: async () => {
      issued++;
      if (fails) throw new Error("no entropy");
      return { key: "key", cert: `cert ${issued}`, ca: "ca", expiresAt: new Date() };
    },
  };
  const pass = async (ms: number): Promise<void> => {
    mock.timers.tick(ms);
    await setImmediate();
  };
  const credentials = new ControlPlaneCredentials({ authority, logger: silentLogger });
  try {
    await pass(HALF_DAY);
    assert.equal(issued, 0, "none is issued before a link needs one");
    assert.equal((await credentials.current()).cert, "cert 1");
    await pass(HALF_DAY - 1);
    assert.equal((await credentials.current()).cert, "cert 1");
    fails = true;
    await pass(1);
    await pass(MINUTE);
    assert.deepEqual([issued, (await credentials.current()).cert], [3, "cert 1"]);
    fails = false;
    await pass(MINUTE);
    assert.equal((await credentials.current()).cert, "cert 4");
    credentials.close();
    await pass(2 * HALF_DAY);
    assert.equal(issued, 4);
  } finally {
    credentials.close();
    mock.timers.reset();
  }
});

test("links that need the first certificate at once share it; one that could not be issued is issued for the next link", async () => {
  let issued = 0;
  const authority = {
    issueControlPlane: async () => {
      if (++issued === 1) throw new Error("no entropy");
      return { key: "key", cert: `cert ${issued}`, ca: "ca", expiresAt: new Date() };
    },
  };
  const credentials = new ControlPlaneCredentials({ authority, logger: silentLogger });
  await assert.rejects(credentials.current(), { message: "no entropy" });
  const both = await Promise.all([credentials.current(), credentials.current()]);
  assert.deepEqual([issued, ...both.map(({ cert }) => cert)], [2, "cert 2", "cert 2"]);
  credentials.close();
});
