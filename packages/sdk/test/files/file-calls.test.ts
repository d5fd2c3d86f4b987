import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { getEventListeners, once } from "node:events";
import { text } from "node:stream/consumers";
import { after, beforeEach, test } from "node:test";
import { Files } from "../../src/files/files.ts";
import { bodyOf, refuse, ScriptedServer } from "../support/scripted-server.ts";

const server = await ScriptedServer.start();
after(() => server.close());

const files = new Files(server.http({ retries: 1 }), "cl-1");
const wire = {
  name: "a",
  path: "/a",
  type: "file",
  kind: "symlink",
  size: 3,
  mode: 0o644,
  permissions: "lrw-r--r--",
  owner: "root",
  group: "root",
  modified_at: 1_800_000_000,
  symlink_target: "b",
};
let body: Record<string, unknown> = {};
beforeEach(() => {
  server.requests.length = 0;
  server.respond = async (request, response) => {
    body = JSON.parse(String(await bodyOf(request))) as Record<string, unknown>;
    response.end(JSON.stringify({ entry: wire, entries: [wire], exists: true }));
  };
});

test("calls send their options in the API's names, and give entries in those of the SDK", async () => {
  const entry = await files.stat("/a", { user: "user" });
  assert.deepEqual(body, { path: "/a", user: "user" });
  const { modified_at: modified, symlink_target: symlinkTarget, ...same } = wire;
  assert.deepEqual(entry, { ...same, modifiedAt: new Date(modified * 1000), symlinkTarget });
  await files.list("/", { depth: 3 });
  assert.deepEqual(body, { path: "/", depth: 3 });
  await files.move("/a", "/b", { overwrite: true });
  assert.deepEqual(body, { source: "/a", destination: "/b", overwrite: true });
  await files.chmod("/a", 0o7, { recursive: true });
  assert.deepEqual(body, { path: "/a", mode: "007", recursive: true });
  assert.equal(await files.exists("/a"), true);
  await files.remove("/a");
  await files.copy("/a", "/b");
  const verbs = ["stat", "list", "move", "chmod", "exists", "remove", "copy"];
  assert.deepEqual(
    server.requests,
    verbs.map((verb) => `POST /v1/capsules/cl-1/files/${verb}`),
  );
});

test("entries are read page by page until no cursor is left, and no page is read before it is asked for", async () => {
  const cursors = [undefined, "one", "two"];
  const asked: Record<string, unknown>[] = [];
  server.respond = async (request, response) => {
    asked.push(JSON.parse(String(await bodyOf(request))) as Record<string, unknown>);
    const next = cursors[asked.length];
    const page = { entries: [{ ...wire, name: String(asked.length) }] };
    response.end(JSON.stringify(next === undefined ? page : { ...page, next_cursor: next }));
  };
  const entries = files.entries("/", { depth: 2, pageSize: 7, user: "user" });
  for await (const { name } of entries) {
    assert.equal(name, "1");
    break;
  }
  assert.equal(asked.length, 1);
  asked.length = 0;
  const names: string[] = [];
  for await (const { name } of entries) names.push(name);
  assert.deepEqual(names, ["1", "2", "3"]);
  const request = { path: "/", depth: 2, limit: 7, user: "user" };
  assert.deepEqual(asked, [request, { ...request, cursor: "one" }, { ...request, cursor: "two" }]);
  for (const pageSize of [0, 1.5, 10_001, Number.NaN])
    assert.throws(() => files.entries("/", { pageSize }), { code: "invalid_option" });
});

test("names that are not UTF-8 are sent as JSON escapes and as percent-encoded bytes", async () => {
  await files.stat("/caf\udce9/\udcff+ ä");
  assert.equal(body["path"], "/caf\udce9/\udcff+ ä");
  server.respond = (_request, response) => response.end("x");
  await files.readText("/caf\udce9/\udcff+ ä");
  assert.match(server.requests.at(-1) ?? "", /\?path=%2Fcaf%e9%2F%ff%2B%20%C3%A4$/);
  await assert.rejects(files.readText("/\ud800"), { code: "invalid_option", message: /surrogate/ });
});

test("unknown options, empty paths and wrong modes are refused by name before a request", async () => {
  const unknown = { usr: "x" } as object;
  for (const call of [
    () => files.read("/a", unknown),
    () => files.readText("/a", unknown),
    () => files.download("/a", unknown),
    () => files.write("/a", "", unknown),
    () => files.upload("/a", "", unknown),
    () => files.list("/a", unknown),
    () => files.stat("/a", unknown),
    () => files.mkdir("/a", unknown),
    () => files.remove("/a", unknown),
    () => files.copy("/a", "/b", unknown),
    () => files.chmod("/a", 0o755, unknown),
    () => files.archive("/a", unknown),
  ])
    await assert.rejects(call, { code: "unknown_option", message: /^files\.\w+ has no option 'usr'$/ });
  await assert.rejects(files.stat(""), { code: "invalid_option", message: /path/ });
  await assert.rejects(files.move("/a", ""), { code: "invalid_option", message: /destination/ });
  for (const mode of [0o10000, -1, "9", "rwx"])
    await assert.rejects(files.chmod("/a", mode), { code: "invalid_option", message: /mode/ });
  const from = files.download("/a", { from: -1 });
  await assert.rejects(from, { code: "invalid_option", message: /from/ });
  await assert.rejects(files.read("/a", { format: "json" as "text" }), { message: /format/ });
  assert.deepEqual(server.requests, []);
});

test("mkdir leaves a directory that exists, unless it is to be new", async () => {
  const stat = server.respond;
  server.respond = (request, response) =>
    request.url?.endsWith("/mkdir") === true ? refuse(response, 409, "path_exists") : stat(request, response);
  assert.equal((await files.mkdir("/a")).path, "/a");
  await assert.rejects(files.mkdir("/a", { exclusive: true }), { reason: "path_exists" });
});

test("remove is content with a path that does not exist only by force", async () => {
  server.respond = (_request, response) => refuse(response, 404, "path_not_found");
  await files.remove("/a", { force: true });
  await assert.rejects(files.remove("/a"), { reason: "path_not_found" });
});

test("reading calls are repeated after a temporary failure, those that change files are not", async () => {
  server.respond = (_request, response) => refuse(response, 503, "guest_busy");
  await assert.rejects(files.stat("/a"), { reason: "guest_busy" });
  assert.equal(server.requests.length, 2);
  await assert.rejects(files.copy("/a", "/b"), { reason: "guest_busy" });
  await assert.rejects(files.remove("/a"), { reason: "guest_busy" });
  assert.equal(server.requests.length, 4);
});

test("10,000 calls on one signal leave no listener on it", async () => {
  const { signal } = new AbortController();
  const data = new Uint8Array(10);
  const entry = JSON.stringify({ entry: wire, exists: true });
  server.respond = (request, response) => {
    request.resume();
    const length = Buffer.byteLength(entry);
    response.writeHead(200, { "content-length": length, etag: '"1"' }).end(entry);
  };
  const quick = new Files(server.http({ retries: 0 }), "cl-1");
  for (let count = 0; count < 2500; count++)
    await Promise.all([
      quick.exists("/a", { signal }),
      quick.readBytes("/a", { signal }),
      quick.write("/a", data, { signal }),
      quick.write("/a", () => new Blob([data]).stream(), { signal }),
    ]);
  const failing = new Files(server.http({ url: "http://127.0.0.1:9", retries: 0 }), "cl-1");
  await assert.rejects(failing.upload("/a", data, { signal }));
  await assert.rejects(failing.download("/a", { signal }));
  assert.deepEqual(getEventListeners(signal, "abort"), []);
});

test("a script ends within a second after its last call, whatever that was", async () => {
  server.respond = (request, response) => {
    request.resume();
    if (request.method === "PUT") return refuse(response, 403, "permission_denied");
    response.writeHead(200, { "content-length": 1_000_000, etag: '"1"' });
    return response.write("some");
  };
  const script = `
    const { Files } = await import(${JSON.stringify(import.meta.resolve("../../src/files/files.ts"))});
    const { HttpClient } = await import(${JSON.stringify(import.meta.resolve("../../src/transport/http.ts"))});
    const { connectionSettings } = await import(${JSON.stringify(import.meta.resolve("../../src/transport/connection.ts"))});
    const files = new Files(new HttpClient(connectionSettings({ url: "${server.url}", apiKey: "k" })), "cl-1");
    const stream = await files.download("/a");
    await stream.cancel();
    async function* endless() { for (;;) yield new Uint8Array(100_000); }
    await files.write("/a", endless()).catch((error) => console.log(error.reason));
    console.log(Date.now());
  `;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [output] = await Promise.all([text(child.stdout), once(child, "exit")]);
  const [reason, at] = output.trim().split("\n");
  assert.equal(reason, "permission_denied");
  assert.ok(Date.now() - Number(at) < 1000, output);
});
