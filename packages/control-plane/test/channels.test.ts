import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { createServer } from "node:http";
import type { IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { after, test } from "node:test";
import { reasonOf, TestPlatform } from "./support/test-platform.ts";

const platform = await TestPlatform.start();
const { token } = await platform.person("teller");
const got: { readonly headers: IncomingHttpHeaders; readonly body: string }[] = [];
let status = 204;
const server = createServer((request, response) => {
  void text(request).then((body) => {
    got.push({ headers: request.headers, body });
    response.writeHead(status).end();
  });
});
await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
const { port } = server.address() as AddressInfo;
after(async () => {
  await new Promise((resolve) => server.close(resolve));
  await platform[Symbol.asyncDispose]();
});
platform.names.set("hooks.test", ["127.0.0.1"]);
platform.names.set("inside.test", ["10.0.0.1"]);

const secret = "s3cret of at least 16";
const ask = (url: string, given: object = { token }) =>
  platform.call("POST", "/v1/channels/test", {
    ...given,
    body: { provider: "webhook", config: { url, secret } },
  });

test("a webhook gets a signed channel.test", async () => {
  const answer = await ask(`http://hooks.test:${port}/path`);
  assert.deepEqual([answer.status, answer.body], [200, { status: "ok" }]);
  const [{ headers, body } = assert.fail("nothing came")] = got.splice(0);
  const told = JSON.parse(body) as Record<string, unknown>;
  assert.deepEqual([told["event"], told["resource"]], ["channel.test", { id: "test", type: "channel" }]);
  const stamp = String(headers["x-wrenn-timestamp"]);
  assert.equal(stamp, told["timestamp"]);
  const signature = createHmac("sha256", secret).update(`${stamp}.${body}`).digest("hex");
  assert.equal(headers["x-wrenn-signature"], `sha256=${signature}`);
  assert.match(String(headers["x-wrenn-delivery"]), /^[\w-]{36}$/);
});

test("what did not work is told without path and secret, and stands in the audit log", async () => {
  status = 500;
  const failed = await ask(`http://hooks.test:${port}/hidden`);
  assert.deepEqual([failed.status, reasonOf(failed)], [502, "delivery_failed"]);
  const refused = await ask("http://inside.test/hidden");
  assert.deepEqual([refused.status, reasonOf(refused)], [400, "target_refused"]);
  const { body } = await platform.call("GET", "/v1/audit-logs?action=test", { token });
  const everything = JSON.stringify([failed.body, refused.body, body, platform.logged]);
  assert.ok(!everything.includes("hidden") && !everything.includes(secret), everything);
  const items = body["items"] as { resource_type: string; action: string; status: string }[];
  const tests = items.filter((item) => item.resource_type === "channel").map((item) => item.status);
  assert.deepEqual(tests, ["error", "error", "success"]);
});

test("tests are for people, and bounded", async () => {
  assert.equal(reasonOf(await ask("http://inside.test/", { key: platform.apiKey })), "session_required");
  const answers = [];
  for (let count = 0; count < 25; count++) answers.push(reasonOf(await ask("http://inside.test/")));
  assert.ok(answers.includes("rate_limited"));
});
