import assert from "node:assert/strict";
import { request } from "node:http";
import { after, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { BuildLab } from "./support/build-lab.ts";

const lab = await BuildLab.open();
after(() => lab[Symbol.asyncDispose]());
const { host, builder, platform } = lab;
const { archives, requests } = host.images;
const GIB = 2 ** 30;

interface UploadAnswer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

const field = (name: string, text: string): string =>
  `--B\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${text}\r\n`;
const fileHead = (name: string): string =>
  `--B\r\nContent-Disposition: form-data; name="image"; filename="${name}"\r\n\r\n`;
const END = "\r\n--B--\r\n";

/** Sends parts of a form; with `leave` the client is gone before its end. */
async function send(
  parts: readonly string[],
  { leave = false, length }: { readonly leave?: boolean; readonly length?: number } = {},
): Promise<UploadAnswer | undefined> {
  const { promise, resolve } = Promise.withResolvers<UploadAnswer | undefined>();
  const sent = request(`${platform.url}/v1/builds/import`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${lab.token}`,
      "content-type": "multipart/form-data; boundary=B",
      ...(length !== undefined && { "content-length": String(length) }),
    },
  });
  sent.on("error", () => resolve(undefined));
  sent.on("response", (response) => {
    let text = "";
    response.on("data", (chunk: Buffer) => (text += chunk.toString()));
    response.on("end", () =>
      resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) as UploadAnswer["body"] }),
    );
  });
  for (const part of parts) sent.write(part);
  if (!leave) sent.end();
  else await eventually("the host receives it", () => host.images.receiving > 0).then(() => sent.destroy());
  return await promise;
}

const reasonOf = (answer: UploadAnswer | undefined): unknown =>
  (answer?.body["error"] as { reason?: string } | undefined)?.reason;
const config = (more: object = {}): string => field("config", JSON.stringify({ name: "web", ...more }));

test("an archive reaches a host while it arrives, its image becomes a template, and it is removed with its build", async () => {
  const image = host.images.add("tool:1", "a", { user: "1000", stopSignal: "SIGINT" });
  const gate = Promise.withResolvers<void>();
  host.images.gate = gate.promise;
  const answer = await send([config({ memory_mb: 256 }), `${fileHead("web v1.tar")}tool:1${END}`]);
  assert.equal(answer?.status, 201, JSON.stringify(answer?.body));
  const id = String(answer.body["id"]);
  await eventually("the import has begun", () => requests.length === 1);
  const [archive = ""] = archives.keys();
  assert.deepEqual(requests.at(-1), { id, reference: "web v1.tar", archive: { id: archive } });
  assert.equal(archives.get(archive)?.toString(), "tool:1");
  gate.resolve();
  const build = await lab.reaches(id, "success");
  assert.deepEqual([build["base_template"], build["recipe"], build["memory_mb"]], ["web v1.tar", [], 256]);
  assert.deepEqual((await lab.lines(id)).filter((line) => !/layers/.test(line)).slice(0, 3), [
    "system importing the image",
    `stdout web v1.tar is ${image.digest}`,
    "system done",
  ]);
  const { base, fromImage, config: settings } = builder.last ?? assert.fail();
  assert.deepEqual([base.hostKey, fromImage, settings.user], [image.template, true, "1000"]);
  await eventually("the archive is removed", () => archives.size === 0);
  const { body: audit } = await lab.call("GET", "/v1/audit-logs?resource_type=build&limit=1");
  const [entry] = audit["items"] as Record<string, unknown>[];
  assert.deepEqual([entry?.["action"], entry?.["resource_id"]], ["create", id]);
});

test("an image of several is named, and what is wrong with an archive is the error of its build", async () => {
  host.images.add("team/tool:2", "b");
  const named = await send([
    `${fileHead("all.tar")}whatever\r\n`,
    config({ image: "team/tool:2" }),
    "--B--\r\n",
  ]);
  const id = String(named?.body["id"]);
  assert.equal((await lab.reaches(id, "success"))["base_template"], "team/tool:2 in all.tar");
  assert.equal(requests.at(-1)?.archive?.image, "team/tool:2");
  const wrong = await send([config(), `${fileHead("wrong.tar")}none${END}`]);
  const failed = await lab.reaches(String(wrong?.body["id"]), "failed");
  assert.equal(failed["reason"], "image_not_found");
  await eventually("the archives are removed", () => archives.size === 0);
});

test("of an upload that breaks off, is refused or belongs to no build nothing is left", async () => {
  const begun = `${fileHead("a.tar")}${"x".repeat(100_000)}`;
  assert.equal(await send([config(), begun], { leave: true }), undefined);
  await eventually("the host gives up", () => host.images.receiving === 0);
  const cases: readonly (readonly [readonly string[], number, string])[] = [
    [[config()], 400, "form_field_missing"],
    [[`${fileHead("a.tar")}tool:1${END}`], 400, "form_field_missing"],
    [[config({ name: "a b" }), `${fileHead("a.tar")}tool:1${END}`], 400, "invalid_field"],
    [[config({ image: "a\u0000b" }), `${fileHead("a.tar")}tool:1${END}`], 400, "invalid_field"],
    [[config(), field("other", "x"), `${fileHead("a.tar")}tool:1${END}`], 400, "invalid_field"],
    [[config({ name: "minimal" }), `${fileHead("a.tar")}tool:1${END}`], 409, "template_name_reserved"],
  ];
  for (const [parts, status, reason] of cases) {
    const whole = parts.at(-1)?.endsWith(END) === true ? parts : [...parts, "--B--\r\n"];
    const answer = await send(whole);
    assert.deepEqual([answer?.status, reasonOf(answer)], [status, reason], parts.join(""));
  }
  await eventually("nothing is left", () => archives.size === 0);
  const announced = await send([config()], { length: 21 * GIB });
  assert.deepEqual([announced?.status, reasonOf(announced)], [413, "image_too_large"]);
});

test("a build that is cancelled in the queue or in its import drops the archive", async () => {
  host.images.gate = new Promise(() => {});
  const ids: string[] = [];
  for (let at = 0; at < 3; at++) {
    const answer = await send([config(), `${fileHead("a.tar")}tool:1${END}`]);
    assert.equal(answer?.status, 201, JSON.stringify(answer?.body));
    ids.push(String(answer.body["id"]));
  }
  assert.equal(archives.size, 3);
  for (const id of ids.toReversed())
    assert.equal((await lab.call("POST", `/v1/builds/${id}/cancel`)).status, 204);
  await eventually("the archives are removed", () => archives.size === 0);
});
