import assert from "node:assert/strict";
import { Readable } from "node:stream";
import type { IncomingMessage } from "node:http";
import { after, before, test } from "node:test";
import { gzipSync } from "node:zlib";
import { WrennError } from "@wrenn/core";
import fc from "fast-check";
import { readUpload } from "../src/files/multipart.ts";
import { TestPlatform } from "./support/test-platform.ts";

/* Forms put a file in place when the whole form has arrived and is right, and never before. */

let platform: TestPlatform;
let capsule: string;
before(async () => {
  platform = await TestPlatform.start();
  const made = await platform.call("POST", "/v1/capsules", { key: platform.apiKey, body: {} });
  capsule = `/v1/capsules/${String(made.body["id"])}`;
});
after(() => platform[Symbol.asyncDispose]());

const BOUNDARY = "B";
const text = (name: string, value: string): string =>
  `--B\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
const file = (name: string, content: string, filename = '; filename="x"'): string =>
  `--B\r\nContent-Disposition: form-data; name="${name}"${filename}\r\n\r\n${content}\r\n`;
const END = "--B--\r\n";

interface Refusal {
  readonly status: number;
  readonly reason?: string | undefined;
  readonly message?: string | undefined;
}

async function post(
  body: string | Uint8Array,
  verb = "write",
  headers: Record<string, string> = {},
): Promise<Refusal> {
  const answer = await fetch(`${platform.url}${capsule}/files/${verb}`, {
    method: "POST",
    headers: {
      "x-api-key": platform.apiKey,
      "content-type": `multipart/form-data; boundary=${BOUNDARY}`,
      ...headers,
    },
    body,
  });
  if (answer.status === 204) return { status: 204 };
  const { error } = (await answer.json()) as { readonly error: Omit<Refusal, "status"> };
  return { status: answer.status, reason: error.reason, message: error.message };
}

async function content(path: string): Promise<string | undefined> {
  const url = `${platform.url}${capsule}/files/content?path=${encodeURIComponent(path)}`;
  const answer = await fetch(url, { headers: { "x-api-key": platform.apiKey } });
  return answer.status === 200 ? await answer.text() : undefined;
}

const right = text("path", "/root/f") + file("file", "new");
for (const [what, form, problem] of [
  ["the user after the file", right + text("user", "user"), "user must come before the file"],
  ["the path after the file", right + text("path", "/root/g"), "path must come before the file"],
  ["a second file", right + file("file", "more"), "file was sent twice; a form has one file"],
  [
    "a second file with its own path",
    right + text("path", "/root/g") + file("file", "more"),
    "path must come before the file",
  ],
  ["the path twice", text("path", "/root/g") + right, "path was sent twice"],
  ["the user twice", text("user", "root") + text("user", "root") + right, "user was sent twice"],
  ["a file of another name before", file("other", "x") + right, "other is not known here"],
  ["a file of another name after", right + file("files", "x"), "files is not known here"],
  ["a path that is a file", file("path", "/root/f") + file("file", "new"), "path must be a text field"],
  [
    "a path that is too long",
    text("path", `/${"x".repeat(9000)}`) + file("file", "x"),
    "path is longer than 8192 bytes",
  ],
] as const)
  for (const verb of ["write", "stream/write"])
    test(`${verb}: ${what} is 400, and nothing is put in place`, async () => {
      assert.equal((await post(text("path", "/root/f") + file("file", "old") + END, verb)).status, 204);
      const { status, reason, message } = await post(form + END, verb);
      assert.deepEqual([status, reason, message], [400, "invalid_field", `invalid request: ${problem}`]);
      assert.equal(await content("/root/f"), "old");
      assert.equal(await content("/root/g"), undefined);
    });

test("a path of bytes that are not UTF-8 is refused, not changed", async () => {
  const body = Buffer.from(text("path", "/root/caf\u00e9") + file("file", "x") + END, "latin1");
  const { status, message } = await post(body);
  assert.equal(status, 400);
  assert.match(message ?? "", /path is not UTF-8/);
});

test("a file needs no file name, and text fields may have a type", async () => {
  const typed =
    '--B\r\nContent-Disposition: form-data; name="path"\r\nContent-Type: application/octet-stream\r\n\r\n/root/t\r\n';
  assert.equal((await post(typed + file("file", "plain", "") + END)).status, 204);
  assert.equal(await content("/root/t"), "plain");
});

test("fields that are not known are ignored, before and after the file", async () => {
  const form = text("note", "1") + text("path", "/root/n") + file("file", "x") + text("note", "2") + END;
  assert.equal((await post(form)).status, 204);
  const strict = await post(form, "write", { prefer: "handling=strict" });
  assert.deepEqual([strict.status, strict.message], [400, "invalid request: note is not known here"]);
});

test("codings and parts are refused by every way to send a file, and nothing changes", async () => {
  const key = { "x-api-key": platform.apiKey };
  const target = `${platform.url}${capsule}/files/content?path=/root/coded`;
  assert.equal((await fetch(target, { method: "PUT", headers: key, body: "old" })).status, 200);
  const begun = await platform.call("POST", `${capsule}/files/uploads`, {
    key: platform.apiKey,
    body: { path: "/root/coded", size: 3 },
  });
  const upload = `${platform.url}${begun.headers.get("location") ?? ""}`;
  const form = text("path", "/root/coded") + file("file", "new") + END;
  const boundary = { "content-type": `multipart/form-data; boundary=${BOUNDARY}` };
  const ways = [
    { url: target, method: "PUT", body: "new", own: {} },
    {
      url: upload,
      method: "PATCH",
      body: "new",
      own: { "upload-offset": "0", "content-type": "application/octet-stream" },
    },
    { url: `${platform.url}${capsule}/files/write`, method: "POST", body: form, own: boundary },
    { url: `${platform.url}${capsule}/files/stream/write`, method: "POST", body: form, own: boundary },
  ];
  for (const { url, method, body, own } of ways) {
    for (const coding of ["gzip", "br", "identity, gzip"]) {
      const headers = { ...key, ...own, "content-encoding": coding };
      const answer = await fetch(url, { method, headers, body: gzipSync(body) });
      const { error } = (await answer.json()) as { readonly error: Refusal };
      assert.deepEqual(
        [answer.status, error.reason],
        [415, "unsupported_content_encoding"],
        `${method} ${coding}`,
      );
      assert.equal(answer.headers.get("accept-encoding"), "identity");
    }
    const part = await fetch(url, {
      method,
      headers: { ...key, ...own, "content-range": "bytes 0-2/3" },
      body,
    });
    const { error } = (await part.json()) as { readonly error: Refusal };
    assert.equal(part.status, 400);
    assert.match(error.message ?? "", /Content-Range is not supported/);
    assert.equal(await content("/root/coded"), "old");
  }
  const plain = await fetch(target, {
    method: "PUT",
    headers: { ...key, "content-encoding": "identity" },
    body: "new",
  });
  assert.equal(plain.status, 200);
});

/* The parser itself, against any cut and any pieces. */

type Outcome = { readonly path: string; readonly user: string | undefined; readonly bytes: string } | string;

async function parse(pieces: readonly Buffer[]): Promise<Outcome> {
  const request = Object.assign(Readable.from(pieces, { objectMode: false }), {
    headers: { "content-type": "multipart/form-data; boundary=B" },
  }) as unknown as IncomingMessage;
  try {
    const { path, user, content: chunks } = await readUpload(request);
    const bytes = Buffer.concat(await Array.fromAsync(chunks)).toString("latin1");
    return { path, user, bytes };
  } catch (error) {
    if (error instanceof WrennError) return error.reason;
    throw error;
  }
}

const piecesOf = (body: Buffer, cuts: readonly number[]): Buffer[] => {
  const at = [...new Set([0, ...cuts.map((cut) => cut % (body.length + 1)), body.length])].sort(
    (a, b) => a - b,
  );
  return at.slice(1).map((end, index) => body.subarray(at[index], end));
};

test("a form that is cut at any byte is an error, and never a file", async () => {
  const body = Buffer.from(text("path", "/root/f") + text("user", "u") + file("file", "con\r\n--tent"));
  const whole = Buffer.concat([body, Buffer.from("--B--")]);
  for (let length = 0; length < whole.length; length += 1) {
    const outcome = await parse([whole.subarray(0, length)]);
    assert.ok(
      outcome === "multipart_invalid" || outcome === "form_field_missing",
      `${length}: ${JSON.stringify(outcome)}`,
    );
  }
  for (const end of ["", "\r\n", "\r\nepilogue"]) {
    const outcome = await parse([Buffer.concat([whole, Buffer.from(end)])]);
    assert.deepEqual(outcome, { path: "/root/f", user: "u", bytes: "con\r\n--tent" });
  }
});

interface Part {
  readonly name: string;
  readonly isFile: boolean;
  readonly value: string;
}

/** What a form of these parts comes to. */
function expected(parts: readonly Part[]): Outcome {
  const fields = new Map<string, string>();
  let found: Outcome | undefined;
  for (const { name, isFile, value } of parts) {
    if (isFile || name === "file") {
      if (name !== "file" || found !== undefined) return "invalid_field";
      const path = fields.get("path") ?? "";
      if (path === "") return "form_field_missing";
      found = { path, user: fields.get("user"), bytes: value };
    } else if (name === "path" || name === "user") {
      if (found !== undefined || fields.has(name)) return "invalid_field";
      fields.set(name, value);
    }
  }
  return found ?? "form_field_missing";
}

test("any parts in any order and any pieces come to a file or to the right error", async () => {
  const part = fc.record({
    name: fc.constantFrom("path", "user", "file", "note"),
    isFile: fc.boolean(),
    value: fc.stringMatching(/^[a-z\r\n-]{0,40}$/),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(part, { maxLength: 5 }),
      fc.array(fc.nat(), { maxLength: 12 }),
      async (parts, cuts) => {
        const body = parts
          .map(({ name, isFile, value }) => (isFile ? file(name, value) : text(name, value)))
          .join("");
        assert.deepEqual(await parse(piecesOf(Buffer.from(body + END), cuts)), expected(parts));
      },
    ),
    { numRuns: 400 },
  );
});

test("bytes of any kind are an error or a file, never anything else", async () => {
  const token = fc.constantFrom(
    "--B",
    "\r\n",
    "--",
    "--B--",
    'Content-Disposition: form-data; name="',
    "path",
    "file",
    '"',
    "\0",
    ";",
    "filename=",
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.oneof(token, fc.string()), { maxLength: 30 }),
      fc.array(fc.nat()),
      async (tokens, cuts) => {
        const outcome = await parse(piecesOf(Buffer.from(tokens.join("")), cuts));
        if (typeof outcome === "string")
          assert.ok(["multipart_invalid", "form_field_missing", "invalid_field"].includes(outcome), outcome);
      },
    ),
    { numRuns: 400 },
  );
});
