import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { E2bLab } from "./support/e2b-lab.ts";

describe("metrics and logs of sandboxes on the wire", () => {
  let lab: E2bLab;
  before(async () => void (lab = await E2bLab.start()));
  after(async () => await lab[Symbol.asyncDispose]());

  test("metrics and logs are read in the forms of all clients", async () => {
    const { id } = await lab.created();
    assert.ok(Array.isArray((await lab.call("GET", `/sandboxes/${id}/metrics`)).body));
    const many = await lab.call("GET", `/sandboxes/metrics?sandbox_ids=${id},unknown`);
    assert.equal(many.status, 200);
    const measurement = {
      timestamp: Math.floor(Date.now() / 1000),
      cpuPercent: 5,
      cpuCount: 1,
      memoryBytes: 100,
      memoryTotalBytes: 1000,
      diskBytes: 1,
      diskUsedBytes: 2,
      diskTotalBytes: 3,
      networkInBytes: 0,
      networkOutBytes: 0,
    };
    // The first one is of a guest that does not say.
    for (const cached of [{}, { memoryCachedBytes: 300 }])
      lab.host.observations.measure(`cl-${id}`, { ...measurement, ...cached });
    const measured = (await lab.call("GET", `/sandboxes/${id}/metrics`)).body as unknown as {
      readonly memUsed: number;
      readonly memCache: number;
    }[];
    assert.deepEqual(
      measured.map(({ memUsed, memCache }) => [memUsed, memCache]),
      [
        [100, 0],
        [100, 300],
      ],
    );
    const { body } = await lab.call("GET", `/sandboxes/${id}/logs`);
    const [first] = body["logs"] as { readonly line: string }[];
    const line = JSON.parse(first?.line ?? "{}") as Record<string, unknown>;
    assert.deepEqual(
      ["level", "logger", "message"].map((name) => typeof line[name]),
      ["string", "string", "string"],
    );
    const later = await lab.call("GET", `/v2/sandboxes/${id}/logs?direction=backward&limit=1`);
    assert.equal((later.body["logs"] as unknown[]).length, 1);
    // E2B's command line follows logs until they end.
    await lab.call("DELETE", `/sandboxes/${id}`);
    const ended = await lab.call("GET", `/sandboxes/${id}/logs`);
    assert.deepEqual([ended.status, ended.body], [200, { logs: [], logEntries: [] }]);
  });

  test("logs have levels, and are filtered by them", async () => {
    const { id } = await lab.created();
    const write = (text: string) => lab.host.observations.write(`cl-${id}`, Buffer.from(`${text}\n`));
    write("a program says something");
    write("[   12.345678] EXT4-fs error (device vda): something is wrong");
    write("Out of memory: Killed process 71 (python3)");
    lab.host.report(`cl-${id}`, { fullDisk: ["space"] });
    type Shown = readonly { readonly level: string; readonly message: string }[];
    const shown = async (query: string): Promise<readonly string[]> => {
      const { status, body } = await lab.call("GET", `/v2/sandboxes/${id}/logs${query}`);
      assert.equal(status, 200, JSON.stringify(body));
      return (body["logs"] as Shown).map(({ level, message }) => `${level}: ${message.split(" ")[0]}`);
    };
    await eventually("the event is there", async () => (await shown("")).includes("warn: capsule"));
    const all = await shown("");
    for (const one of ["info: created", "info: a", "error: [", "error: Out"])
      assert.ok(all.includes(one), one);
    assert.deepEqual(
      (await shown("?level=warn")).toSorted((a, b) => a.localeCompare(b)),
      ["error: [", "error: Out", "warn: capsule"],
    );
    assert.deepEqual(await shown("?level=error&direction=backward&limit=1"), ["error: Out"]);
    const { body } = await lab.call("GET", `/sandboxes/${id}/logs`);
    const lines = (body["logs"] as { readonly line: string }[]).map(
      ({ line }) => JSON.parse(line) as Shown[number],
    );
    assert.deepEqual(
      lines.filter(({ level }) => level === "error").map(({ message }) => message.slice(0, 3)),
      ["[  ", "Out"],
    );
    assert.equal((await lab.call("GET", `/v2/sandboxes/${id}/logs?level=loud`)).status, 400);
    await lab.call("DELETE", `/sandboxes/${id}`);
  });
});
