import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { request } from "node:http";
import { connect } from "node:http2";
import { after, test } from "node:test";
import { systemRandom } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import { QueuedTransactions } from "@wrenn/database";
import { BuildArchives } from "../src/builds/build-archives.ts";
import { BuildLab } from "./support/build-lab.ts";

const LONG = process.env["WRENN_TEST_LONG"] === "1";
const MIB = 2 ** 20;

const lab = await BuildLab.open();
after(() => lab[Symbol.asyncDispose]());
const { platform, builder } = lab;
const { db } = platform.database;

const config = JSON.stringify({ name: "files", recipe: ["COPY a /a"], skip_pre_post: true });

interface FormAnswer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

async function upload(
  parts: readonly (readonly [string, string | Blob])[],
  path = "/v1/builds",
): Promise<FormAnswer> {
  const form = new FormData();
  for (const [name, value] of parts)
    if (typeof value === "string") form.append(name, value);
    else form.append(name, value, "files.tar.gz");
  const response = await fetch(platform.url + path, {
    method: "POST",
    headers: { authorization: `Bearer ${lab.token}` },
    body: form,
  });
  return { status: response.status, body: (await response.json()) as FormAnswer["body"] };
}

const reasonOf = ({ body }: FormAnswer): unknown =>
  (body["error"] as { reason?: string } | undefined)?.reason;

/** Sends the beginning of a form, and then `rest`; the connection is broken when that is undefined. */
async function sendRaw(
  head: string,
  rest: AsyncIterable<Buffer> | undefined,
  headers: Readonly<Record<string, string>> = {},
): Promise<FormAnswer | undefined> {
  const { promise, resolve } = Promise.withResolvers<FormAnswer | undefined>();
  const sent = request(platform.url + "/v1/builds", {
    method: "POST",
    headers: {
      authorization: `Bearer ${lab.token}`,
      "content-type": "multipart/form-data; boundary=B",
      ...headers,
    },
  });
  sent.on("error", () => resolve(undefined));
  sent.on("response", (response) => {
    let text = "";
    response.on("data", (chunk: Buffer) => (text += chunk.toString()));
    response.on("end", () =>
      resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) as FormAnswer["body"] }),
    );
  });
  sent.write(head);
  if (!rest) {
    await eventually("it has begun", async () => (await lab.storedBytes()) > 0);
    sent.destroy();
  } else {
    for await (const chunk of rest) {
      if (sent.destroyed || sent.writableEnded) break;
      if (!sent.write(chunk))
        await Promise.race([new Promise((drained) => sent.once("drain", drained)), promise]);
    }
    sent.end();
  }
  return await promise;
}

const field = (name: string, text: string): string =>
  `--B\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${text}\r\n`;
const fileHead = '--B\r\nContent-Disposition: form-data; name="archive"; filename="a.tar"\r\n\r\n';

test("an archive reaches the builder byte for byte, wherever its form has it, and is gone when the build has ended", async () => {
  const bytes = randomBytes(3 * MIB + 17);
  const archive = new Blob([bytes]);
  for (const parts of [
    [["config", config] as const, ["archive", archive] as const],
    [["archive", archive] as const, ["config", config] as const],
  ]) {
    const answer = await upload(parts);
    assert.equal(answer.status, 201, JSON.stringify(answer.body));
    const id = String(answer.body["id"]);
    await lab.reaches(id, "success");
    const digest = createHash("sha256").update(bytes).digest("hex");
    assert.ok((await lab.lines(id)).includes(`stdout ${bytes.length} ${digest}`));
    assert.equal(await lab.storedBytes(), 0);
  }
  const without = await upload([["config", config.replace("COPY a /a", "RUN true")]]);
  assert.equal(without.status, 201, JSON.stringify(without.body));
  await lab.reaches(String(without.body["id"]), "success");
});

test("a form may come over HTTP/2", async () => {
  const session = connect(await platform.serveHttp2());
  after(() => session.close());
  const sent = session.request({
    ":method": "POST",
    ":path": "/v1/builds",
    authorization: `Bearer ${lab.token}`,
    "content-type": "multipart/form-data; boundary=B",
  });
  const { promise: status, resolve, reject } = Promise.withResolvers<unknown>();
  sent.on("response", (headers) => resolve(headers[":status"]));
  sent.on("error", reject);
  sent.resume();
  sent.write(field("config", config) + fileHead);
  sent.write(randomBytes(2 * MIB).map((byte) => byte & 0x3f));
  sent.end("\r\n--B--\r\n");
  assert.equal(await status, 201);
  await eventually("it has ended", async () => (await lab.storedBytes()) === 0);
});

test("an archive counts for the storage of its team while its build waits or runs", async () => {
  const sleeping = config.replace('"COPY a /a"', '"RUN sleep 600"');
  const answer = await upload([
    ["config", sleeping],
    ["archive", new Blob([new Uint8Array(2 * MIB)])],
  ]);
  const id = String(answer.body["id"]);
  await lab.reaches(id, "running");
  assert.equal(await lab.storedBytes(), 2 * MIB);
  const used = await db.selectFrom("templates").select("size_bytes").execute();
  const bytes = used.reduce((sum, row) => sum + Number(row.size_bytes), 0);
  await db
    .updateTable("teams")
    .set({ max_storage_mb: Math.ceil(bytes / MIB) + 4 })
    .execute();
  const over = await upload([
    ["config", config],
    ["archive", new Blob([new Uint8Array(3 * MIB)])],
  ]);
  assert.deepEqual([over.status, reasonOf(over)], [403, "quota_exceeded"]);
  assert.equal(await lab.storedBytes(), 2 * MIB, "nothing of the refused one is stored");
  await lab.call("POST", `/v1/builds/${id}/cancel`);
  assert.equal(await lab.storedBytes(), 0, "the cancelled one is gone");
  await db.updateTable("teams").set({ max_storage_mb: 100_000 }).execute();
});

test("forms that are wrong are refused, and nothing of them is stored", async () => {
  const archive = new Blob(["bytes"]);
  const refused: readonly (readonly [readonly (readonly [string, string | Blob])[], number, string])[] = [
    [[["archive", archive]], 400, "form_field_missing"],
    [
      [
        ["config", "{"],
        ["archive", archive],
      ],
      400,
      "invalid_json",
    ],
    [
      [
        ["archive", archive],
        ["config", "{}"],
      ],
      400,
      "invalid_field",
    ],
    [
      [
        ["archive", archive],
        ["config", "[]"],
      ],
      400,
      "invalid_field",
    ],
    [
      [
        ["config", config],
        ["archive", archive],
        ["more", "a"],
      ],
      400,
      "invalid_field",
    ],
    [
      [
        ["config", config],
        ["other", archive],
      ],
      400,
      "invalid_field",
    ],
    [
      [
        ["config", config.replace("COPY", "FROM")],
        ["archive", archive],
      ],
      400,
      "recipe_invalid",
    ],
    [[["config", config]], 400, "recipe_invalid"],
    [
      [
        ["config", config.replace('"files"', '"minimal"')],
        ["archive", archive],
      ],
      409,
      "template_name_reserved",
    ],
    [
      [
        ["config", `"${"a".repeat(2 * MIB)}"`],
        ["archive", archive],
      ],
      413,
      "body_too_large",
    ],
  ];
  for (const [parts, status, reason] of refused) {
    const answer = await upload(parts);
    assert.deepEqual([answer.status, reasonOf(answer)], [status, reason], JSON.stringify(answer.body));
    await eventually(`${reason}: nothing is stored`, async () => (await lab.storedBytes()) === 0);
  }
  const cut = await sendRaw(field("config", config) + fileHead + "bytes", (async function* none() {})());
  assert.equal(cut && reasonOf(cut), "multipart_invalid");
  const noBoundary = await sendRaw("", (async function* none() {})(), {
    "content-type": "multipart/form-data",
  });
  assert.equal(noBoundary?.status, 400);
  await eventually("nothing is stored", async () => (await lab.storedBytes()) === 0);
});

test("a client that leaves in the middle of an archive leaves nothing of it", async () => {
  await sendRaw(field("config", config) + fileHead + "x".repeat(100_000), undefined);
  await eventually("nothing is stored", async () => (await lab.storedBytes()) === 0);
});

test("an archive that is announced longer than 100 MiB is refused before it is sent", async () => {
  const answer = await sendRaw(field("config", config), (async function* none() {})(), {
    "content-length": String(102 * MIB),
  });
  assert.deepEqual([answer?.status, answer && reasonOf(answer)], [413, "archive_too_large"]);
  assert.equal((answer?.body["error"] as { code?: string } | undefined)?.code, "invalid_request");
});

test(
  "an archive that turns out to be longer than 100 MiB is refused, and one of 100 MiB is taken",
  {
    skip: !LONG,
  },
  async () => {
    const piece = randomBytes(MIB);
    const content = async function* content(pieces: number): AsyncGenerator<Buffer> {
      for (let sent = 0; sent < pieces; sent++) yield piece;
      yield Buffer.from("\r\n--B--\r\n");
    };
    const head = field("config", config) + fileHead;
    const over = await sendRaw(head, content(101));
    assert.equal(over && reasonOf(over), "archive_too_large");
    await eventually("nothing is stored", async () => (await lab.storedBytes()) === 0);
    const most = await sendRaw(head, content(100));
    assert.equal(most?.status, 201, JSON.stringify(most?.body));
    await lab.reaches(String(most?.body["id"]), "success");
  },
);

test("an archive that takes too long to arrive is refused, and nothing of it is stored", async () => {
  const { id: team } = await db.selectFrom("teams").select("id").executeTakeFirstOrThrow();
  const transactions = new QueuedTransactions(db);
  const slow = new BuildArchives({ database: platform.database, transactions, random: systemRandom }, 50);
  const content = async function* content(): AsyncGenerator<Buffer> {
    yield Buffer.alloc(MIB);
    await new Promise((resolve) => setTimeout(resolve, 100));
    yield Buffer.alloc(MIB);
  };
  await assert.rejects(slow.receive(team, content(), 10 * MIB), { reason: "archive_too_slow" });
  assert.equal(await lab.storedBytes(), 0);
});

test("uploads at a time are bounded for a team", async () => {
  const begun = Promise.withResolvers<void>();
  const waiting = Array.from({ length: 4 }, async () =>
    sendRaw(
      field("config", config) + fileHead + "x",
      (async function* later() {
        await begun.promise;
        yield Buffer.from("\r\n--B--\r\n");
      })(),
    ),
  );
  await eventually("four are under way", async () => {
    const { count } = await db
      .selectFrom("build_archives")
      .select(({ fn }) => fn.countAll<string>().as("count"))
      .executeTakeFirstOrThrow();
    return Number(count) === 4;
  });
  const fifth = await upload([
    ["config", config],
    ["archive", new Blob(["a"])],
  ]);
  assert.deepEqual([fifth.status, reasonOf(fifth)], [429, "too_much_under_way"]);
  begun.resolve();
  for (const one of await Promise.all(waiting)) assert.equal(one?.status, 201, JSON.stringify(one?.body));
  await eventually("all have ended", () => builder.running.size === 0);
});

test("an archive that no build has after an hour is deleted", async () => {
  const { id: team } = await db.selectFrom("teams").select("id").executeTakeFirstOrThrow();
  const lost = crypto.randomUUID();
  await db
    .insertInto("build_archives")
    .values({ id: lost, team_id: team, size_bytes: 5, created_at: new Date(Date.now() - 3_700_000) })
    .execute();
  await eventually("it is deleted", async () => (await lab.storedBytes()) === 0);
});
