import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { after, beforeEach, test } from "node:test";
import { isWrennError } from "../src/errors/wrenn-error.ts";
import { connectionSettings } from "../src/transport/connection.ts";
import type { ConnectionOptions } from "../src/transport/connection.ts";
import { Wrenn } from "../src/client.ts";
import { HttpClient } from "../src/transport/http.ts";

let respond: (request: IncomingMessage, response: ServerResponse) => void;
let requests: string[] = [];
const server = createServer((request, response) => {
  requests.push(`${request.method} ${request.url}`);
  respond(request, response);
});
await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
after(() => server.close().closeAllConnections());
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

beforeEach(() => {
  requests = [];
  respond = (_request, response) => response.end("{}");
});

const client = (options: ConnectionOptions = {}): HttpClient =>
  new HttpClient(connectionSettings({ url, apiKey: "key", ...options }));

const unavailable = (response: ServerResponse, headers = {}): unknown =>
  response
    .writeHead(503, headers)
    .end(JSON.stringify({ error: { code: "no_hosts_available", message: "no servers", request_id: "r" } }));

test("requests carry the key, strict handling, and the query", async () => {
  let headers: IncomingMessage["headers"] = {};
  respond = (request, response) => {
    ({ headers } = request);
    response.end('{"a":1}');
  };
  const query = { status: ["running", "paused"], limit: 2, cursor: undefined };
  assert.deepEqual(await client().json("GET", "/v1/x", { query }), { a: 1 });
  assert.deepEqual(requests, ["GET /v1/x?status=running&status=paused&limit=2"]);
  assert.deepEqual([headers["x-api-key"], headers["prefer"]], ["key", "handling=strict"]);
});

test("a null key sends no credentials, whatever the environment has", async (t) => {
  process.env["WRENN_API_KEY"] = "wrn_environment";
  t.after(() => delete process.env["WRENN_API_KEY"]);
  let headers: IncomingMessage["headers"] = {};
  respond = (request, response) => {
    ({ headers } = request);
    response.end("{}");
  };
  await client({ apiKey: null }).json("GET", "/v1/x");
  assert.deepEqual([headers["x-api-key"], headers.authorization], [undefined, undefined]);
});

test("a request that is safe to repeat is repeated, visibly, and not sooner than the server asks", async () => {
  respond = (_request, response) =>
    requests.length < 2 ? unavailable(response, { "retry-after": "1" }) : response.end("[]");
  const notices: string[] = [];
  const begun = performance.now();
  const onRetry = ({ attempt, path, error }: { attempt: number; path: string; error: { code: string } }) =>
    notices.push(`${attempt} ${path} ${error.code}`);
  assert.deepEqual(await client({ onRetry }).json("GET", "/v1/x"), []);
  assert.deepEqual(notices, ["1 /v1/x no_hosts_available"]);
  assert.ok(performance.now() - begun >= 999);
});

test("a POST is repeated only with an idempotency key, or when it was not carried out", async () => {
  respond = (_request, response) => unavailable(response);
  await assert.rejects(client().json("POST", "/v1/x", { json: {} }), { code: "no_hosts_available" });
  assert.equal(requests.length, 1);
  const headers = { "idempotency-key": "k" };
  await assert.rejects(client({ retries: 1 }).json("POST", "/v1/x", { json: {}, headers }));
  assert.equal(requests.length, 3);
  respond = (_request, response) =>
    requests.length < 5
      ? response.writeHead(429).end('{"error":{"code":"rate_limited"}}')
      : response.end("{}");
  await client().json("POST", "/v1/x", { json: {} });
  assert.equal(requests.length, 5);
});

test("a one-shot stream is never sent twice; a factory is asked for another body", async () => {
  respond = (request, response) => {
    request.resume().once("end", () => (requests.length === 2 ? response.end("{}") : unavailable(response)));
  };
  const stream = () => new Blob(["bytes"]).stream();
  await assert.rejects(client().json("PUT", "/v1/x", { body: stream() }), { code: "no_hosts_available" });
  assert.equal(requests.length, 1);
  await client().json("PUT", "/v1/x", { body: stream });
  assert.equal(requests.length, 2);
});

test("an answer that does not come in time, and a server that is not there, are told apart", async () => {
  respond = () => undefined;
  const slow = client({ requestTimeoutMs: 50, retries: 0 });
  await assert.rejects(slow.json("GET", "/v1/x"), { code: "request_timed_out", isRetryable: true });
  const gone = client({ url: "http://127.0.0.1:9", retries: 0 });
  await assert.rejects(gone.json("GET", "/v1/x"), (error) => isWrennError(error, "connection_failed"));
});

test("an abort rejects with its own reason: before the answer, while its body is read, and between attempts", async () => {
  const reason = new Error("enough");
  const before = new AbortController();
  respond = () => before.abort(reason);
  await assert.rejects(client().json("GET", "/v1/x", { signal: before.signal }), reason);
  const during = new AbortController();
  respond = (_request, response) => {
    response.write("{");
    setTimeout(() => during.abort(reason), 20);
  };
  await assert.rejects(client().json("GET", "/v1/x", { signal: during.signal }), reason);
  const between = new AbortController();
  respond = (_request, response) => unavailable(response, { "retry-after": "60" });
  const onRetry = (): void => between.abort(reason);
  await assert.rejects(client({ onRetry }).json("GET", "/v1/x", { signal: between.signal }), reason);
});

test("a body that breaks off or stalls is a lost connection, and leaving its chunks closes it", async () => {
  respond = (_request, response) => {
    response.write("{");
    setTimeout(() => response.destroy(), 20);
  };
  await assert.rejects(client().json("GET", "/v1/x"), { code: "connection_lost" });
  respond = (_request, response) => {
    response.write("{");
  };
  await assert.rejects(client({ requestTimeoutMs: 50, retries: 0 }).json("GET", "/v1/x"), {
    code: "connection_lost",
  });
  let isClosed = false;
  respond = (_request, response) => {
    response.once("close", () => (isClosed = true));
    response.write("abc");
  };
  const answer = await client().request("GET", "/v1/x");
  for await (const chunk of answer.chunks()) {
    assert.equal(new TextDecoder().decode(chunk), "abc");
    break;
  }
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(isClosed, true);
});

test("wrong and missing settings are named", () => {
  assert.throws(() => connectionSettings({ url: "localhost:8080", apiKey: "k" }), { code: "invalid_option" });
  assert.throws(() => connectionSettings({ url }), { code: "not_configured", remedy: /WRENN_API_KEY/ });
});

test("a route without a method is called with credentials, query and body", async () => {
  let body = "";
  respond = (request, response) => {
    request.setEncoding("utf8").on("data", (text: string) => (body += text));
    request.on("end", () => response.end('{"id":"team-1"}'));
  };
  const wrenn = new Wrenn({ url, apiKey: "key" });
  const request = { query: { force: true }, body: { name: "a" } };
  assert.deepEqual(await wrenn.request("POST", "/v1/teams", request), { id: "team-1" });
  assert.deepEqual([requests, body], [["POST /v1/teams?force=true"], '{"name":"a"}']);
  await assert.rejects(wrenn.request("GET", "v1/teams"), { code: "invalid_option" });
  await assert.rejects(wrenn.request("GET", "/v1/teams", { json: {} } as object), { code: "unknown_option" });
});

test("a list that is none is the answer of something else", async () => {
  const list = new Wrenn({ url, apiKey: "key" }).capsules.list();
  await assert.rejects(list[Symbol.asyncIterator]().next(), { code: "invalid_answer" });
});

test("what the function for access tokens throws is what the call rejects with, and nothing is sent", async () => {
  const ended = new Error("the login has ended");
  const wrenn = new Wrenn({
    url,
    accessToken: async () => {
      throw ended;
    },
  });
  await assert.rejects(wrenn.quota(), (error) => error === ended);
  assert.deepEqual(requests, []);
});
