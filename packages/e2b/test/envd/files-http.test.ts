import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { chmod, mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { userInfo } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { gunzipSync, gzipSync } from "node:zlib";
import { WrennError } from "@wrenn/core";
import { EnvdLab, TOKEN } from "./support/envd-lab.ts";

const LONG = process.env["WRENN_TEST_LONG"] === "1";
const lab = await EnvdLab.start();
after(() => lab[Symbol.asyncDispose]());
const at = (...names: readonly string[]): string => join(lab.directory, ...names);
const query = (values: Readonly<Record<string, string>>): string =>
  `/files?${new URLSearchParams(values).toString()}`;

/** A request of exactly these headers, without those that fetch adds. */
async function plain(
  path: string,
  headers: Readonly<Record<string, string>> = {},
  method = "GET",
): Promise<{ status: number; headers: NodeJS.Dict<string | string[]>; body: Buffer }> {
  const { promise, resolve, reject } = Promise.withResolvers<Awaited<ReturnType<typeof plain>>>();
  const sent = request(lab.url + path, { method, headers: { "x-access-token": TOKEN, ...headers } });
  sent.on("error", reject);
  sent.on("response", (response) => {
    const parts: Buffer[] = [];
    response.on("data", (part: Buffer) => parts.push(part));
    response.on("error", reject);
    response.on("end", () =>
      resolve({
        status: response.statusCode ?? 0,
        headers: response.headers,
        body: Buffer.concat(parts),
      }),
    );
  });
  sent.end();
  return await promise;
}

async function errorOf(response: Response): Promise<[number, string]> {
  const { code, message } = (await response.json()) as { code: number; message: string };
  assert.equal(code, response.status);
  return [code, message];
}

test("a form brings files with the directories of their names, and its other parts are skipped", async () => {
  const form = new FormData();
  form.append("note", "not a file");
  form.append("file", new Blob(["one"]), at("deep/er/one.txt"));
  form.append("file", new Blob([]), at("deep/empty.txt"));
  form.append("other", new Blob(["skipped".repeat(10_000)]), at("other.txt"));
  const response = await lab.fetch("/files", { method: "POST", body: form });
  assert.equal(response.status, 200);
  assert.deepEqual(await response.json(), [
    { path: at("deep/er/one.txt"), name: "one.txt", type: "file" },
    { path: at("deep/empty.txt"), name: "empty.txt", type: "file" },
  ]);
  assert.equal(await readFile(at("deep/er/one.txt"), "utf8"), "one");
  assert.equal((await stat(at("deep/er/one.txt"))).mode & 0o777, 0o644);
  assert.equal((await stat(at("deep/er"))).mode & 0o777, 0o755);
  await assert.rejects(stat(at("other.txt")));
});

test("a part without a name goes to the path of the query; two files for one path are refused", async () => {
  const boundary = "b0und";
  const part = (text: string): string =>
    `--${boundary}\r\nContent-Disposition: form-data; name="file"\r\n\r\n${text}\r\n`;
  const send = async (body: string, path: string): Promise<Response> =>
    await lab.fetch(path, {
      method: "POST",
      headers: { "content-type": `multipart/form-data; boundary=${boundary}` },
      body,
    });
  const target = query({ path: at("nameless.txt") });
  assert.equal((await send(`${part("x")}--${boundary}--\r\n`, target)).status, 200);
  assert.equal(await readFile(at("nameless.txt"), "utf8"), "x");
  assert.equal((await send(`${part("x")}--${boundary}--\r\n`, "/files")).status, 400);
  const [twice] = await errorOf(await send(`${part("y")}${part("z")}--${boundary}--\r\n`, target));
  assert.equal(twice, 400);
  // However the paths are written: relative ones begin at the home, which is root's.
  const named = (name: string): string => part("x").replace('name="file"', `name="file"; filename="${name}"`);
  const forms = [named("/root/.wrenn-twice"), named("./.wrenn-twice")].join("");
  try {
    assert.equal((await send(`${forms}--${boundary}--\r\n`, "/files")).status, 400);
  } finally {
    await rm("/root/.wrenn-twice", { force: true });
  }
  // A form that ends in the middle leaves the file that was there.
  const [cut] = await errorOf(await send(part("half").slice(0, -6), target));
  assert.equal(cut, 400);
  assert.equal(await readFile(at("nameless.txt"), "utf8"), "y");
});

test("octet-stream bodies and gzip bodies become files; what is neither is refused", async () => {
  const upload = async (
    body: string | Uint8Array<ArrayBuffer>,
    headers: Readonly<Record<string, string>>,
    path = at("raw"),
  ): Promise<Response> =>
    await lab.fetch(path === "" ? "/files" : query({ path }), { method: "POST", body, headers });
  const octets = { "content-type": "application/octet-stream" };
  const bytes = randomBytes(100_000);
  assert.equal((await upload(bytes, octets)).status, 200);
  assert.deepEqual(await readFile(at("raw")), bytes);
  assert.equal((await upload(gzipSync("zipped"), { ...octets, "content-encoding": "gzip" })).status, 200);
  assert.equal(await readFile(at("raw"), "utf8"), "zipped");
  const form = new Response(
    (() => {
      const data = new FormData();
      data.append("file", new Blob(["form"]), "x");
      return data;
    })(),
  );
  const type = form.headers.get("content-type") ?? "";
  const zippedForm = gzipSync(Buffer.from(await form.arrayBuffer()));
  const headers = { "content-type": type, "content-encoding": "gzip" };
  assert.equal((await upload(zippedForm, headers)).status, 200);
  assert.equal(await readFile(at("raw"), "utf8"), "form");
  const broken = gzipSync(randomBytes(10_000)).subarray(0, 5000);
  for (const refused of [
    await upload("x", octets, ""),
    await upload("x", { "content-type": "text/plain" }),
    await upload("x", { ...octets, "content-encoding": "br" }),
    await upload(broken, { ...octets, "content-encoding": "gzip" }),
    await upload("x", { "content-type": "multipart/form-data" }),
  ])
    assert.equal((await errorOf(refused))[0], 400);
  // Broken at any point, also where the write is refused before the end is read.
  for (const length of [0, 1, 5, 12, 100, 9000])
    for (const target of [at("raw"), lab.directory, "/proc/none/x"])
      for (const type of [octets["content-type"], "multipart/form-data; boundary=b"]) {
        const answer = await upload(
          gzipSync(randomBytes(20_000)).subarray(0, length),
          { "content-type": type, "content-encoding": "gzip" },
          target,
        );
        assert.ok([400, 403, 404].includes(answer.status), `${length} ${target} ${type}: ${answer.status}`);
      }
  assert.equal(await readFile(at("raw"), "utf8"), "form");
  assert.equal((await errorOf(await upload("x", octets, lab.directory)))[0], 400);
  const foreign = await lab.fetch(query({ path: "x", username: "nobody-here" }), {
    method: "POST",
    body: "x",
    headers: octets,
  });
  assert.deepEqual(await errorOf(foreign), [401, "invalid username: 'nobody-here'"]);
});

test("a failure of the platform is 500, never the 502 that clients take for the end of the sandbox", async (t) => {
  const failing = t.mock.method(lab.sandbox.files, "read", () => {
    throw new WrennError("disk_full", { path: "/var/lib" });
  });
  assert.equal((await errorOf(await lab.fetch(query({ path: at("raw") }))))[0], 500);
  failing.mock.restore();
  assert.equal((await lab.fetch(query({ path: at("raw") }))).status, 200);
});

test("metadata of an upload is kept as extended attributes, and an upload without any takes it away", async () => {
  const path = at("described.txt");
  const upload = async (headers: Readonly<Record<string, string>>): Promise<unknown> => {
    const response = await lab.fetch(query({ path }), {
      method: "POST",
      body: "x",
      headers: { "content-type": "application/octet-stream", ...headers },
    });
    assert.equal(response.status, 200);
    return ((await response.json()) as { metadata?: unknown }[])[0]?.metadata;
  };
  const attributes = async (): Promise<unknown> =>
    (await lab.sandbox.files.attributes([path], "user.e2b.", { signal: AbortSignal.timeout(5000) }))[0];
  assert.deepEqual(await upload({ "X-Metadata-Owner": "me", "x-metadata-kind": "a b" }), {
    owner: "me",
    kind: "a b",
  });
  assert.deepEqual(await attributes(), { "user.e2b.owner": "me", "user.e2b.kind": "a b" });
  assert.deepEqual(await upload({ "x-metadata-kind": "new" }), { kind: "new" });
  assert.deepEqual(await attributes(), { "user.e2b.kind": "new" });
  const long = await lab.fetch(query({ path }), {
    method: "POST",
    body: "y",
    headers: { "content-type": "application/octet-stream", [`x-metadata-${"k".repeat(247)}`]: "v" },
  });
  assert.equal((await errorOf(long))[0], 400);
  assert.equal(await readFile(path, "utf8"), "x");
  assert.equal(await upload({}), undefined);
  assert.deepEqual(await attributes(), {});
});

test("a download has name, ranges and conditions; gzip is for those that prefer it", async () => {
  await writeFile(at("été.txt"), "0123456789");
  const file = query({ path: at("été.txt") });
  const whole = await plain(file);
  assert.equal(whole.status, 200);
  assert.equal(whole.body.toString(), "0123456789");
  assert.equal(whole.headers["content-length"], "10");
  assert.equal(whole.headers["vary"], "Accept-Encoding");
  assert.equal(
    whole.headers["content-disposition"],
    `inline; filename="_t_.txt"; filename*=UTF-8''%C3%A9t%C3%A9.txt`,
  );
  const part = await plain(file, { range: "bytes=2-4" });
  assert.deepEqual(
    [part.status, part.body.toString(), part.headers["content-range"]],
    [206, "234", "bytes 2-4/10"],
  );
  assert.equal((await plain(file, { range: "bytes=-3" })).body.toString(), "789");
  const beyond = await plain(file, { range: "bytes=50-" });
  assert.deepEqual([beyond.status, beyond.headers["content-range"]], [416, "bytes */10"]);
  const etag = String(whole.headers["etag"]);
  assert.equal((await plain(file, { "if-none-match": etag })).status, 304);
  assert.equal((await plain(file, { "if-match": '"other"' })).status, 412);
  const modified = String(whole.headers["last-modified"]);
  assert.equal((await plain(file, { "if-modified-since": modified })).status, 304);
  const head = await plain(file, {}, "HEAD");
  assert.deepEqual([head.status, head.headers["content-length"], head.body.length], [200, "10", 0]);

  const zipped = await plain(file, { "accept-encoding": "gzip" });
  assert.equal(zipped.headers["content-encoding"], "gzip");
  assert.equal(zipped.headers["content-length"], undefined);
  assert.equal(gunzipSync(zipped.body).toString(), "0123456789");
  for (const accepted of ["gzip, deflate, br", "gzip;q=0.5, identity", "gzip;q=0", "br"]) {
    const answer = await plain(file, { "accept-encoding": accepted });
    assert.equal(answer.headers["content-encoding"], undefined, accepted);
  }
  const refused = await plain(file, { "accept-encoding": "identity;q=0, br" });
  assert.deepEqual([refused.status, refused.headers["vary"]], [406, "Accept-Encoding"]);
  // A part is sent plain, except to clients that take gzip only, which get the whole file.
  const plainPart = await plain(file, { "accept-encoding": "gzip", range: "bytes=2-4" });
  assert.deepEqual([plainPart.status, plainPart.body.toString()], [206, "234"]);
  const noPart = await plain(file, { "accept-encoding": "gzip, identity;q=0", range: "bytes=2-4" });
  assert.deepEqual([noPart.status, gunzipSync(noPart.body).toString()], [200, "0123456789"]);
  assert.equal(await (await lab.fetch(file)).text(), "0123456789");
});

test("files that are not there, directories and files of others are refused; /proc is read to its end", async () => {
  assert.equal((await errorOf(await lab.fetch(query({ path: at("missing") }))))[0], 404);
  assert.equal((await errorOf(await lab.fetch(query({ path: lab.directory }))))[0], 400);
  // An empty path is the default directory.
  assert.equal((await errorOf(await lab.fetch("/files")))[0], 400);
  await writeFile(at("secret"), "x");
  await chmod(at("secret"), 0o600);
  await chmod(lab.directory, 0o755);
  assert.equal((await errorOf(await lab.fetch(query({ path: at("secret"), username: "nobody" }))))[0], 403);
  assert.match(await (await lab.fetch(query({ path: "/proc/cpuinfo" }))).text(), /processor/);
  await writeFile(at("empty"), "");
  const empty = await lab.fetch(query({ path: at("empty") }));
  assert.deepEqual([empty.status, await empty.text()], [200, ""]);
});

test("compose joins files and removes them; one that is missing changes nothing", async () => {
  await mkdir(at("parts"));
  for (const part of ["a", "b"]) await writeFile(at("parts", part), part.repeat(3));
  const compose = async (sources: readonly string[]): Promise<Response> =>
    await lab.fetch("/files/compose", {
      method: "POST",
      body: JSON.stringify({ source_paths: sources, destination: at("parts/whole") }),
    });
  const missing = await compose([at("parts/a"), at("parts/none")]);
  assert.equal((await errorOf(missing))[0], 404);
  assert.equal(await readFile(at("parts/a"), "utf8"), "aaa");
  const done = await compose([at("parts/a"), at("parts/b")]);
  assert.equal(done.status, 200);
  assert.deepEqual(await done.json(), { path: at("parts/whole"), name: "whole", type: "file" });
  assert.equal(await readFile(at("parts/whole"), "utf8"), "aaabbb");
  await assert.rejects(stat(at("parts/a")));
  assert.equal((await lab.fetch("/files/compose", { method: "POST", body: "[]" })).status, 400);
});

test("large files stream both ways unchanged, with little memory", async () => {
  const blocks = LONG ? 1024 : 32;
  const block = randomBytes(1 << 20);
  const expected = createHash("sha256");
  for (let count = 0; count < blocks; count++) expected.update(block);
  const body = async function* body(): AsyncGenerator<Uint8Array> {
    for (let count = 0; count < blocks; count++) yield block;
  };
  const before = process.memoryUsage().rss;
  let most = before;
  const watch = setInterval(() => (most = Math.max(most, process.memoryUsage().rss)), 20);
  try {
    const init = { method: "POST", body: body(), duplex: "half" } as unknown as RequestInit;
    const headers = { "content-type": "application/octet-stream" };
    const uploaded = await lab.fetch(query({ path: at("large") }), { ...init, headers });
    assert.equal(uploaded.status, 200);
    const found = createHash("sha256");
    const response = await lab.fetch(query({ path: at("large") }));
    for await (const chunk of response.body ?? []) found.update(chunk as Uint8Array);
    assert.equal(found.digest("hex"), expected.digest("hex"));
  } finally {
    clearInterval(watch);
  }
  assert.ok(most - before < 192 << 20, `${Math.round((most - before) / (1 << 20))} MiB more`);
});

test("clients that leave at any moment end nothing but their own request", async () => {
  await writeFile(at("to-leave"), randomBytes(3 << 20));
  const init = { method: "POST", headers: { "content-type": "application/octet-stream" } };
  for (let round = 0; round < 30; round++) {
    const leave = AbortSignal.timeout(round % 6);
    const body = randomBytes(1 << 20);
    await Promise.allSettled([
      lab.fetch(query({ path: at("to-leave") }), { signal: leave }),
      lab.fetch(query({ path: at("left") }), { ...init, body, signal: leave }),
      lab.fetch("/metrics", { signal: leave }),
    ]);
  }
  assert.equal((await lab.fetch("/health")).status, 204);
});

test("relative paths begin at the home of the user", async () => {
  const name = `relative-${randomBytes(8).toString("hex")}.txt`;
  const written = await upload({ path: name }, "text");
  assert.equal(written.status, 200);
  const [file] = (await written.json()) as { path: string }[];
  assert.equal(file?.path, join(userInfo().homedir, name));
  assert.equal(await (await lab.fetch(query({ path: `~/${name}` }))).text(), "text");
  await assert.rejects(stat(join(userInfo().homedir, name)), "it is not the home of who runs the tests");
});

test("a disk without room for bytes or for files answers 507, and keeps the file that was there", async () => {
  const { commands } = lab.client();
  await commands.run(`mkdir -p ${at("bytes")} ${at("inodes")}`);
  // Only the agent and its children see them.
  await commands.run(`mount -t tmpfs -o size=64k none ${at("bytes")}`);
  await commands.run(`mount -t tmpfs -o nr_inodes=2 none ${at("inodes")}`);
  assert.equal((await upload({ path: at("bytes/kept") }, "kept")).status, 200);
  const large = "x".repeat(200_000);
  const form = new FormData();
  form.append("file", new Blob([large]), at("bytes/form"));
  const refusals = [
    await upload({ path: at("bytes/kept") }, large),
    await upload({ path: at("bytes/zipped") }, gzipSync(large), { "content-encoding": "gzip" }),
    await lab.fetch("/files", { method: "POST", body: form }),
    await upload({ path: at("inodes/a/b") }, "small"),
  ];
  assert.equal((await upload({ path: at("large") }, large)).status, 200);
  const compose = { source_paths: [at("large")], destination: at("bytes/composed") };
  const headers = { "content-type": "application/json" };
  refusals.push(
    await lab.fetch("/files/compose", { method: "POST", headers, body: JSON.stringify(compose) }),
  );
  for (const [index, refusal] of refusals.entries()) {
    const [code, message] = await errorOf(refusal);
    assert.equal(code, 507, `${index}: ${message}`);
  }
  assert.equal(await (await lab.fetch(query({ path: at("bytes/kept") }))).text(), "kept");
  assert.equal((await commands.run(`ls -A ${at("bytes")} ${at("inodes")}`)).stdout.includes("form"), false);
  assert.equal((await lab.fetch(query({ path: at("large") }))).status, 200, "sources stay");
});

/** One file as an octet stream. */
async function upload(
  values: Readonly<Record<string, string>>,
  body: string | Buffer,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  return await lab.fetch(query(values), {
    method: "POST",
    headers: { "content-type": "application/octet-stream", ...headers },
    body: typeof body === "string" ? body : Uint8Array.from(body),
  });
}
