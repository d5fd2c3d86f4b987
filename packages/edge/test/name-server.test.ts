import assert from "node:assert/strict";
import { Resolver } from "node:dns/promises";
import { test } from "node:test";
import fc from "fast-check";
import { silentLogger } from "@wrenn/core";
import { startNameServer } from "@wrenn/edge";
import { answerQuery } from "../src/dns/answer-query.ts";

const zone = { domains: ["wrenn.test"], addresses: ["192.0.2.7", "2001:db8::7"] };

test("every name of the domain gets the edge's addresses, other names are refused", async (t) => {
  const server = await startNameServer({ ...zone, host: "127.0.0.1", port: 0, logger: silentLogger });
  t.after(() => server.close());
  const resolver = new Resolver({ timeout: 2000, tries: 1 });
  resolver.setServers([`127.0.0.1:${server.port}`]);
  assert.deepEqual(await resolver.resolve4("8000-cl-abc.WRENN.test"), ["192.0.2.7"]);
  assert.deepEqual(await resolver.resolve6("wrenn.test"), ["2001:db8::7"]);
  await assert.rejects(resolver.resolve4("example.com"), { code: "EREFUSED" });
  await assert.rejects(resolver.resolve4("notwrenn.test"), { code: "EREFUSED" });
  await assert.rejects(resolver.resolveMx("wrenn.test"), { code: "ENODATA" });
});

test("no packet makes the name server throw or answer a response", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      const packet = Buffer.from(bytes);
      const answer = answerQuery(packet, zone);
      // The highest bit of the third byte says that it is a response.
      if (packet.length > 2 && (packet[2] ?? 0) & 0x80) assert.equal(answer, undefined);
      if (answer) assert.ok(answer.length <= 512);
    }),
    { numRuns: 2000 },
  );
});
