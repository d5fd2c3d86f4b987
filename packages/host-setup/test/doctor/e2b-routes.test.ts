import assert from "node:assert/strict";
import { test } from "node:test";
import { e2bRoutesCheck } from "../../src/doctor/e2b-routes.ts";
import { describedHost } from "../described-host.ts";

const { signal } = new AbortController();
const inspect = async (read: () => string | undefined) =>
  await e2bRoutesCheck(() => Promise.try(read)).inspect(describedHost(), signal);

const NAME = "wrenn_e2b_unknown_requests_total";
const HEAD = `# HELP ${NAME} Requests\n# TYPE ${NAME} counter\n`;

test("unknown routes that clients of E2B called are listed, the most frequent first", async () => {
  const { status, found, remedy } = await inspect(
    () =>
      `${HEAD}${NAME}{method="GET",path="/a",client="e2b-js-sdk/9.9.9"} 2\n` +
      `${NAME}{method="POST",path="/say \\"x\\"\\\\n",client="a client"} 11\n` +
      `wrenn_http_requests_total{method="GET",route="/c",status="404"} 40\n`,
  );
  assert.equal(status, "warn");
  assert.equal(
    found,
    'unknown routes were called: POST /say "x"\\n (11 ×, last by a client), GET /a (2 ×, last by e2b-js-sdk/9.9.9)',
  );
  assert.match(remedy, /e2b-coverage/);
});

test("of many unknown routes ten are shown", async () => {
  const lines = Array.from({ length: 13 }, (_, n) => `${NAME}{method="GET",path="/${n}",client="c"} ${n}`);
  const { found } = await inspect(() => `${HEAD}${lines.join("\n")}\n`);
  assert.match(found, /GET \/12 .*GET \/3 \(3 ×, last by c\), and 3 more$/);
});

test("without a server or unknown routes all is in order; a server that does not answer is no failure", async () => {
  assert.equal((await inspect(() => undefined)).status, "ok");
  assert.equal((await inspect(() => HEAD)).status, "ok");
  const { status, found } = await inspect(() => {
    throw new Error("refused");
  });
  assert.equal(status, "warn");
  assert.match(found, /refused/);
});
