import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { CapsuleFiles, FileContent } from "@wrenn/protocol";
import { FakeHostAgent } from "@wrenn/protocol/testing";
import { TestPlatform } from "./support/test-platform.ts";

/** Lets tests act between the opening of a file and the answer. */
class InterferingHostAgent extends FakeHostAgent {
  opens = 0;
  released = 0;
  opened: (content: FileContent) => Promise<FileContent> = async (content) => content;

  override files(id: string): CapsuleFiles {
    const files = super.files(id);
    const read: CapsuleFiles["read"] = async (path, options) => {
      const content = await files.read(path, options);
      this.opens++;
      options.signal.addEventListener("abort", () => this.released++);
      return await this.opened(content);
    };
    return new Proxy(files, {
      get: (target, name) => {
        if (name === "read") return read;
        const member: unknown = Reflect.get(target, name);
        return typeof member === "function" ? member.bind(target) : member;
      },
    });
  }
}

const host = new InterferingHostAgent();
let platform: TestPlatform;
let id: string;
before(async () => {
  platform = await TestPlatform.start({ host });
  const made = await platform.call("POST", "/v1/capsules", { key: platform.apiKey, body: {} });
  id = String(made.body["id"]);
});
after(() => platform[Symbol.asyncDispose]());

const ask = async (method: string, headers: Record<string, string> = {}, body?: string): Promise<Response> =>
  await fetch(`${platform.url}/v1/capsules/${id}/files/content?path=/root/file`, {
    method,
    headers: { "x-api-key": platform.apiKey, ...headers },
    ...(body === undefined ? {} : { body }),
  });
const put = async (text: string): Promise<string> =>
  (await ask("PUT", { "content-type": "application/octet-stream" }, text)).headers.get("etag") ?? "";
const head = (response: Response, ...names: readonly string[]): readonly (string | null)[] =>
  names.map((name) => response.headers.get(name));

test("length, tag, range and bytes are of the file that was opened, whatever is written meanwhile", async () => {
  const tag = await put("first version");
  host.opened = async (content) => {
    host.opened = async (later) => later;
    await put("the second");
    return content;
  };
  const whole = await ask("GET");
  assert.deepEqual(head(whole, "content-length", "etag"), ["13", tag]);
  assert.equal(await whole.text(), "first version");
  const second = (await ask("HEAD")).headers.get("etag");
  assert.notEqual(second, tag);

  const part = await ask("GET", { range: "bytes=-6", "if-range": second ?? "" });
  assert.deepEqual([part.status, await part.text()], [206, "second"]);
  host.opens = 0;
  const other = await ask("GET", { range: "bytes=4-", "if-range": tag });
  assert.deepEqual([other.status, ...head(other, "content-length", "content-range")], [200, "10", null]);
  assert.equal(await other.text(), "the second");
  assert.equal(host.opens, 2, "the part was opened, then the whole");
});

test("conditions end a download before its bytes, and let go of the file", async () => {
  const tag = await put("content");
  const modified = (await ask("HEAD")).headers.get("last-modified") ?? "";
  const before = new Date(Date.parse(modified) - 60_000).toUTCString();
  const cases: readonly (readonly [Record<string, string>, number])[] = [
    [{ "if-none-match": tag }, 304],
    [{ "if-none-match": `"other", W/${tag}` }, 304],
    [{ "if-none-match": '"other"' }, 200],
    [{ "if-modified-since": modified }, 304],
    [{ "if-modified-since": before }, 200],
    [{ "if-modified-since": modified, "if-none-match": '"other"' }, 200],
    [{ "if-modified-since": "no date" }, 200],
    [{ "if-match": tag }, 200],
    [{ "if-match": '"other"' }, 412],
    [{ "if-match": `W/${tag}` }, 412],
    [{ "if-match": "*" }, 200],
    [{ "if-unmodified-since": before }, 412],
    [{ "if-unmodified-since": modified }, 200],
    [{ range: "bytes=3-4", "if-none-match": tag }, 304],
    [{ range: "bytes=3-4" }, 206],
    [{ range: "bytes=7-" }, 416],
    [{ range: "bytes=-0" }, 416],
    [{ range: "bytes=99999999999999999999-" }, 416],
    [{ range: "bytes=0-99999999999999999999" }, 206],
    [{ range: "bytes=4-3" }, 200],
    [{ range: "bytes=0-1,3-4" }, 200],
  ];
  for (const [headers, status] of cases) {
    host.released = 0;
    const answer = await ask("GET", headers);
    assert.equal(answer.status, status, JSON.stringify(headers));
    const body = await answer.text();
    if (status === 200) assert.equal(body, "content");
    if (status === 304) assert.deepEqual([body, ...head(answer, "etag", "content-type")], ["", tag, null]);
    if (status === 416) assert.equal(answer.headers.get("content-range"), "bytes */7");
    if (status >= 300) assert.equal(host.released, 1, `${status} released the file`);
  }
  const ignored = await ask("HEAD", { range: "bytes=1-2" });
  assert.deepEqual([ignored.status, ignored.headers.get("content-length")], [200, "7"]);
});

test("empty files have a length, files of unknown size have neither length nor ranges", async () => {
  await put("");
  assert.deepEqual(head(await ask("GET"), "content-length"), ["0"]);
  await put("made up while it is read");
  host.opened = async ({ entry, bytes }) => ({ entry: { ...entry, size: 0 }, bytes });
  const answer = await ask("GET", { range: "bytes=0-3" });
  assert.deepEqual([answer.status, ...head(answer, "content-length", "etag")], [200, null, null]);
  assert.equal(await answer.text(), "made up while it is read");
  host.opened = async (content) => content;
});

test("a file that fails at once is refused, one that ends too early or too late breaks the connection", async () => {
  await put("content");
  const serve = (parts: () => AsyncGenerator<Uint8Array>): void => {
    host.opened = async (content) => ({ ...content, bytes: parts() });
  };
  serve(async function* () {
    yield* [];
    throw new Error("cannot be read");
  });
  const refused = await ask("GET");
  assert.equal(refused.status, 500);
  assert.notEqual(refused.headers.get("content-length"), "7");
  assert.equal(refused.headers.get("etag"), null);
  await refused.text();
  serve(async function* () {
    yield Buffer.from("cont");
  });
  await assert.rejects(async () => await (await ask("GET")).text());
  serve(async function* () {
    yield Buffer.from("con");
    yield Buffer.from("tent that is longer");
  });
  await assert.rejects(async () => await (await ask("GET")).text());
  host.opened = async (content) => content;
});

test("a query names every file by the bytes of its name", async () => {
  const content = (path: string) => `${platform.url}/v1/capsules/${id}/files/content?user=root&path=${path}`;
  const headers = { "x-api-key": platform.apiKey, "content-type": "application/octet-stream" };
  for (const [path, name] of [
    ["/root/caf%e9+%C3%A4%25", "caf\udce9 ä%"],
    ["/root/%25ff", "%ff"],
    ["/root/100%", "100%"],
    ["/root/%ED%B2%80", "\udced\udcb2\udc80"],
  ] as const) {
    const up = await fetch(content(path), { method: "PUT", headers, body: name });
    const { entry } = (await up.json()) as { entry: { name: string } };
    assert.equal(entry.name, name);
    const down = await fetch(content(path), { headers });
    assert.deepEqual([down.status, await down.text()], [200, Buffer.from(name).toString()]);
  }
});
