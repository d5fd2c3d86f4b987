/* Drawn: tests/chaos/crash-matrix.test.ts kills servers, too. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { after, test } from "node:test";
import { formatId, DAY_MS } from "@wrenn/core";
import { FaultLab } from "./support/fault-lab.ts";
import type { Moment } from "./support/fault-lab.ts";
import { TestPlatform } from "./support/test-platform.ts";

const lab = await FaultLab.start();
after(() => lab[Symbol.asyncDispose]());

const moments: readonly Moment[] = ["asked", "done", "answered"];

for (const moment of moments) {
  test(`a control plane killed in a create (${moment}) leaves no capsule half made, and the create can be repeated`, async () => {
    const once = { "idempotency-key": `create-${moment}` };
    lab.trap("createCapsule", moment);
    const lost = lab.call("POST", "/v1/capsules", {}, once);
    await lab.killed();
    await lost;
    await lab.serve();
    const statuses = await lab.rightAgain();
    // Before the host began there is nothing to keep; what it has made is kept.
    const [id = "", status] = [...statuses].at(-1) ?? [];
    assert.equal(status, moment === "asked" ? "error" : "running");
    // No client has had an answer about a create that failed so: its key makes another capsule.
    const again = await lab.call("POST", "/v1/capsules", {}, once);
    assert.equal(again?.status, 201, JSON.stringify(again));
    assert.equal(again.body["id"] === formatId("capsule", id), moment !== "asked");
    assert.ok(lab.host.capsules.has(String(again.body["id"])));
  });

  test(`a control plane killed in a pause (${moment}) leaves the capsule running or paused`, async () => {
    const id = await lab.create();
    lab.trap("pauseCapsule", moment);
    const lost = lab.call("POST", `/v1/capsules/${id}/pause`);
    await lab.killed();
    await lost;
    await lab.serve();
    await lab.rightAgain();
    assert.equal(await lab.status(id), moment === "asked" ? "running" : "paused");
    const verb = moment === "asked" ? "pause" : "resume";
    assert.equal((await lab.call("POST", `/v1/capsules/${id}/${verb}`))?.status, 200);
  });

  test(`a control plane killed in a resume (${moment}) leaves the capsule paused or running`, async () => {
    const id = await lab.create();
    assert.equal((await lab.call("POST", `/v1/capsules/${id}/pause`))?.status, 200);
    lab.trap("resumeCapsule", moment);
    const lost = lab.call("POST", `/v1/capsules/${id}/resume`);
    await lab.killed();
    await lost;
    await lab.serve();
    await lab.rightAgain();
    assert.equal(await lab.status(id), moment === "asked" ? "paused" : "running");
  });

  test(`a control plane killed in a destroy (${moment}) leaves a capsule that is there or ended`, async () => {
    const id = await lab.create();
    lab.trap("destroyCapsule", moment);
    const lost = lab.call("DELETE", `/v1/capsules/${id}`);
    await lab.killed();
    await lost;
    await lab.serve();
    await lab.rightAgain();
    assert.equal(await lab.status(id), moment === "asked" ? "running" : "stopped");
    assert.equal((await lab.call("DELETE", `/v1/capsules/${id}`))?.status, 204);
    assert.equal(lab.host.capsules.has(id), false);
  });
}

test("a control plane killed at any time under load loses no capsule and leaves none stuck", async () => {
  for (const delay of [1, 7, 20, 45, 90]) {
    const known = await Promise.all(Array.from({ length: 4 }, () => lab.create()));
    const [paused = "", destroyed = "", kept = "", resumed = ""] = known;
    await lab.call("POST", `/v1/capsules/${resumed}/pause`);
    const lost = [
      ...Array.from({ length: 6 }, () => lab.call("POST", "/v1/capsules", {})),
      lab.call("POST", `/v1/capsules/${paused}/pause`),
      lab.call("POST", `/v1/capsules/${resumed}/resume`),
      lab.call("DELETE", `/v1/capsules/${destroyed}`),
    ];
    await new Promise((resolve) => setTimeout(resolve, delay));
    await lab.kill();
    const answers = await Promise.all(lost);
    await lab.serve();
    await lab.rightAgain();
    assert.equal(await lab.status(kept), "running");
    for (const id of [paused, resumed]) assert.match((await lab.status(id)) ?? "", /^(running|paused)$/);
    // What was promised holds.
    for (const made of answers.slice(0, 6)) {
      if (made?.status === 201) assert.equal(await lab.status(String(made.body["id"])), "running");
    }
    if (answers[8]?.status === 204) assert.equal(await lab.status(destroyed), "stopped");
    for (const id of lab.host.capsules.keys()) await lab.call("DELETE", `/v1/capsules/${id}`);
  }
});

test("while the database is away requests are refused, nothing is concluded, and afterwards everything goes on", async () => {
  const id = await lab.create();
  const other = await lab.create();
  assert.equal((await lab.call("POST", `/v1/capsules/${other}/pause`))?.status, 200);
  lab.link.cut();
  for (const [method, path] of [
    ["GET", `/v1/capsules/${id}`],
    ["POST", "/v1/capsules"],
    ["POST", `/v1/capsules/${id}/pause`],
    ["DELETE", `/v1/capsules/${id}`],
  ] as const) {
    const refused = await lab.call(method, path, method === "POST" ? {} : undefined);
    assert.ok((refused?.status ?? 0) >= 500, `${method} ${path}: ${JSON.stringify(refused)}`);
    assert.doesNotMatch(JSON.stringify(refused?.body), /ECONN|127\.0\.0\.1|select /i);
  }
  assert.equal((await lab.call("GET", "/ready"))?.status, 503);
  assert.equal((await lab.call("GET", "/health"))?.status, 200);
  // A few rounds of the monitor.
  await new Promise((resolve) => setTimeout(resolve, 1000));
  assert.equal(lab.host.capsules.size, 2);
  lab.link.mend();
  await lab.rightAgain();
  assert.deepEqual([await lab.status(id), await lab.status(other)], ["running", "paused"]);
  assert.equal((await lab.call("GET", "/ready"))?.status, 200);
  assert.equal((await lab.call("POST", `/v1/capsules/${other}/resume`))?.status, 200);
});

const verbs = [
  ["createCapsule", "POST", ""],
  ["pauseCapsule", "POST", "/pause"],
  ["resumeCapsule", "POST", "/resume"],
  ["destroyCapsule", "DELETE", ""],
] as const;
for (const [asked, method, suffix] of verbs) {
  test(`a database that goes away in the middle of ${asked} leaves nothing stuck, and what the host did is told`, async () => {
    for (const moment of ["asked", "done"] as const) {
      const id = asked === "createCapsule" ? undefined : await lab.create();
      if (asked === "resumeCapsule") await lab.call("POST", `/v1/capsules/${id}/pause`);
      const before = lab.host.capsules.size;
      lab.trap(asked, moment, "cut");
      const path = id === undefined ? "/v1/capsules" : `/v1/capsules/${id}${suffix}`;
      const answer = await lab.call(method, path, method === "POST" ? {} : undefined);
      assert.ok((answer?.status ?? 0) >= 500, JSON.stringify(answer));
      lab.link.mend();
      await lab.rightAgain();
      const wanted = {
        createCapsule: undefined,
        pauseCapsule: "paused",
        resumeCapsule: "running",
        destroyCapsule: "stopped",
      }[asked];
      if (id === undefined) assert.equal(lab.host.capsules.size, before + 1);
      else assert.equal(await lab.status(id), wanted);
    }
  });
}

test(
  "a control plane that is cut off from its database ends requests whose access it cannot confirm, within 10 s",
  { skip: process.env["WRENN_TEST_LONG"] !== "1" },
  async () => {
    // Nothing but the access of this request needs the database: its body never arrives.
    const url = new URL(lab.url);
    const socket = connect(Number(url.port), url.hostname).resume();
    socket.on("error", () => undefined);
    socket.write(
      `POST /v1/capsules HTTP/1.1\r\nHost: test\r\nX-API-Key: ${lab.key}\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n`,
    );
    await new Promise((resolve) => setTimeout(resolve, 3000));
    assert.equal(socket.closed, false);
    lab.link.cut();
    const began = performance.now();
    await once(socket, "close");
    const ms = performance.now() - began;
    lab.link.mend();
    assert.ok(ms > 3000 && ms < 10_000, `${ms} ms`);
    assert.equal((await lab.call("GET", "/v1/capsules"))?.status, 200);
  },
);

test("a database that goes away at any time under load leaves nothing stuck", async () => {
  const known = await Promise.all(Array.from({ length: 6 }, () => lab.create()));
  for (const delay of [2, 10, 25]) {
    const lost = [
      ...Array.from({ length: 6 }, () => lab.call("POST", "/v1/capsules", {})),
      ...known.map((id, at) => lab.call("POST", `/v1/capsules/${id}/${at % 2 ? "pause" : "resume"}`)),
    ];
    await new Promise((resolve) => setTimeout(resolve, delay));
    lab.link.cut();
    await Promise.all(lost);
    lab.link.mend();
    await lab.rightAgain();
    for (const id of known) assert.match((await lab.status(id)) ?? "", /^(running|paused)$/);
  }
  for (const id of lab.host.capsules.keys()) await lab.call("DELETE", `/v1/capsules/${id}`);
});

test("a slow database makes everything slower and nothing wrong", async () => {
  lab.link.delayMs = 40;
  try {
    const ids = await Promise.all(Array.from({ length: 8 }, () => lab.create()));
    await Promise.all(ids.map((id) => lab.call("POST", `/v1/capsules/${id}/pause`)));
    const statuses = await Promise.all(ids.map((id) => lab.status(id)));
    assert.deepEqual(new Set(statuses), new Set(["paused"]));
  } finally {
    lab.link.delayMs = 0;
  }
  await lab.rightAgain();
});

test("a clock that jumps ends no capsule, strands no host and keeps keys working", async () => {
  await using platform = await TestPlatform.start();
  const { apiKey: key } = platform;
  const made = await platform.call("POST", "/v1/capsules", { key, body: { timeout_sec: 60 } });
  assert.equal(made.status, 201);
  const path = `/v1/capsules/${String(made.body["id"])}`;
  for (const jump of [3_600_000, -7_200_000, 30 * DAY_MS, -60 * DAY_MS]) {
    platform.clock.advance(jump);
    // A few rounds of the monitor.
    await new Promise((resolve) => setTimeout(resolve, 300));
    const { status, body } = await platform.call("GET", path, { key });
    assert.deepEqual([jump, status, body["status"]], [jump, 200, "running"]);
    const another = await platform.call("POST", "/v1/capsules", { key, body: {} });
    assert.equal(another.status, 201, JSON.stringify(another.body));
    assert.equal((await platform.call("GET", "/ready")).status, 200);
  }
});
