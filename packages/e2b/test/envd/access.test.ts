import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { signatureOf } from "../../src/envd/access/signatures.ts";
import { EnvdLab, SANDBOX_ID, TOKEN } from "./support/envd-lab.ts";

const lab = await EnvdLab.start();
after(() => lab[Symbol.asyncDispose]());
const at = (...names: readonly string[]): string => join(lab.directory, ...names);
const query = (values: Readonly<Record<string, string>>): string =>
  `/files?${new URLSearchParams(values).toString()}`;

async function errorOf(response: Response): Promise<[number, string]> {
  const { code, message } = (await response.json()) as { code: number; message: string };
  assert.equal(code, response.status);
  return [code, message];
}

test("the reference value of a signature is computed", () => {
  assert.equal(
    signatureOf({ path: "hello.txt", operation: "read", user: "user", expiration: undefined }, TOKEN),
    "v1_gUtH/s9YCJWgCizjfUxuWfhFE4QSydOWEIIvfLwDr6E",
  );
});

test("an expired signature is refused with the text that clients compare literally", async () => {
  const past = Math.floor(Date.now() / 1000) - 5;
  const signed = { path: at("any.txt"), operation: "read", user: "", expiration: String(past) } as const;
  const expired = {
    path: signed.path,
    signature: signatureOf(signed, TOKEN),
    signature_expiration: String(past),
  };
  assert.deepEqual(await errorOf(await fetch(lab.url + query(expired))), [
    401,
    "signature is already expired",
  ]);
});

test("a signature opens its own file, operation, user and time; raw values of the query count", async () => {
  await writeFile(at("signed.txt"), "signed");
  const path = at("signed.txt");
  const soon = String(Math.floor(Date.now() / 1000) + 60);
  const past = String(Math.floor(Date.now() / 1000) - 5);
  const sign = (values: Partial<Parameters<typeof signatureOf>[0]> = {}): string =>
    signatureOf({ path, operation: "read", user: "", expiration: undefined, ...values }, TOKEN);
  const get = async (values: Readonly<Record<string, string>>, headers = {}): Promise<Response> =>
    await fetch(lab.url + query(values), { headers });

  assert.equal(await (await get({ path, signature: sign() })).text(), "signed");
  const named = await get({ path, username: "root", signature: sign({ user: "root" }) });
  assert.equal(named.status, 200);
  const timed = { path, signature: sign({ expiration: soon }), signature_expiration: soon };
  assert.equal((await get(timed)).status, 200);

  // Of the default user's name instead of the empty value that the query has.
  assert.deepEqual(await errorOf(await get({ path, signature: sign({ user: "root" }) })), [
    401,
    "invalid signature",
  ]);
  assert.deepEqual(await errorOf(await get({ path, signature: sign({ operation: "write" }) })), [
    401,
    "invalid signature",
  ]);
  assert.deepEqual(await errorOf(await get({ path: at("other"), signature: sign() })), [
    401,
    "invalid signature",
  ]);
  const moved = { path, signature: sign({ expiration: past }), signature_expiration: soon };
  assert.deepEqual(await errorOf(await get(moved)), [401, "invalid signature"]);
  assert.equal((await get({ path })).status, 401);
  // A wrong header is not made good by a right signature.
  const wrong = await get({ path, signature: sign() }, { "x-access-token": "wrong" });
  assert.equal(wrong.status, 401);

  const write = { path: at("by-signature.txt") };
  const signature = sign({ ...write, operation: "write" });
  const form = new FormData();
  form.append("file", new Blob(["up"]), "ignored.txt");
  const uploaded = await fetch(lab.url + query({ ...write, signature }), { method: "POST", body: form });
  assert.equal(uploaded.status, 200);
  assert.equal(await readFile(write.path, "utf8"), "up");
});

test("only /health and signed files are served without the token, and routes of the host never", async () => {
  assert.equal((await fetch(`${lab.url}/health`)).status, 204);
  for (const path of ["/metrics", "/envs", "/files"]) {
    assert.equal((await fetch(lab.url + path)).status, 401, path);
    const [code] = await errorOf(await fetch(lab.url + path, { headers: { "x-access-token": "wrong" } }));
    assert.equal(code, 401);
  }
  const rpc = await fetch(`${lab.url}/process.Process/List`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: "{}",
  });
  assert.equal(rpc.status, 401);
  assert.equal(((await rpc.json()) as { code: string }).code, "unauthenticated");
  for (const path of ["/init", "/%69nit", "/x/../init", "//init", "/freeze", "/upgrade"])
    for (const method of ["GET", "POST", "PUT"])
      assert.equal((await lab.fetch(path, { method })).status, 404, `${method} ${path}`);
  assert.equal((await lab.fetch("/health", { method: "POST" })).status, 405);
});

test("pages of every origin may ask and read", async () => {
  const preflight = await fetch(lab.url + query({ path: "x" }), {
    method: "OPTIONS",
    headers: {
      origin: "https://any.example",
      "access-control-request-method": "POST",
      "access-control-request-headers": "x-access-token,authorization",
    },
  });
  assert.equal(preflight.status, 204);
  assert.equal(preflight.headers.get("access-control-allow-origin"), "*");
  assert.equal(preflight.headers.get("access-control-allow-headers"), "x-access-token,authorization");
  assert.match(preflight.headers.get("access-control-allow-methods") ?? "", /POST/);
  assert.equal((await fetch(`${lab.url}/metrics`)).headers.get("access-control-allow-origin"), "*");
});

test("/metrics and /envs answer as the agent would", async () => {
  const { mem_cache: cache, ...measured } = (await (await lab.fetch("/metrics")).json()) as Record<
    string,
    number
  >;
  assert.ok(Number.isInteger(cache) && Number(cache) > 1 << 20, String(cache));
  assert.deepEqual(measured, {
    ts: 1_700_000_000,
    cpu_count: 2,
    cpu_used_pct: 12.5,
    mem_total: 1 << 30,
    mem_used: 1 << 29,
    mem_total_mib: 1024,
    mem_used_mib: 512,
    disk_used: 1 << 20,
    disk_total: 1 << 31,
  });
  assert.deepEqual(await (await lab.fetch("/envs")).json(), { HOME: "/root" });
});

test("a sandbox that is gone or paused answers 502 with the text that clients compare literally", async () => {
  const gone = { sandboxId: SANDBOX_ID, message: "The sandbox was not found", code: 502 };
  try {
    lab.state = "paused";
    for (const path of ["/health", "/metrics", query({ path: "x" })]) {
      const response = await fetch(lab.url + path);
      assert.deepEqual([response.status, await response.json()], [502, gone]);
    }
    lab.state = "running";
    lab.isGone = true;
    const response = await fetch(`${lab.url}/health`);
    assert.deepEqual([response.status, await response.json()], [502, gone]);
  } finally {
    lab.state = "running";
    lab.isGone = false;
  }
});

test("a request resumes a paused sandbox with its token only", async () => {
  try {
    lab.state = "resumable";
    lab.resumes = 0;
    for (const token of [undefined, "wrong"]) {
      const refused = await fetch(`${lab.url}/health`, { headers: token ? { "x-access-token": token } : {} });
      assert.equal((await errorOf(refused))[0], 403);
    }
    assert.equal(lab.resumes, 0);
    assert.equal((await lab.fetch("/health")).status, 204);
    assert.equal(lab.resumes, 1);
  } finally {
    lab.state = "running";
  }
});
