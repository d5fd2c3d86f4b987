import assert from "node:assert/strict";
import { test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import type { NetworkDecision } from "@wrenn/protocol";
import { EventListener } from "./support/event-listener.ts";
import { LinkedNativeHostAgent, NativeHostAgent } from "./support/native-host-agent.ts";
import { TestPlatform } from "./support/test-platform.ts";

/* Processes are real ones of a guest agent on this machine: of this host, and over the link between hosts. */

const decided: NetworkDecision = {
  kind: "name",
  subject: "example.org",
  verdict: "denied",
  reason: "egress",
  count: 3,
  at: 0,
};

for (const [where, startHost] of [
  ["this host", async () => await NativeHostAgent.start()],
  ["a host over the link", async () => await LinkedNativeHostAgent.start()],
] as const)
  test(`processes and network decisions on ${where} are sent to streams that ask for them, and gaps are reported`, async () => {
    await using host = await startHost();
    let decisions: readonly NetworkDecision[] = [];
    host.networkDecisions = async () => decisions;
    let holds = 0;
    host.hold = () => {
      holds++;
      return () => undefined;
    };
    await using platform = await TestPlatform.start({ host });
    const { url, apiKey: key } = platform;
    const post = async (path: string, body: unknown = {}) =>
      (await platform.call("POST", path, { key, body })).body;
    const id = String((await post("/v1/capsules"))["id"]);
    const exec = async (line: string, more: object = {}) =>
      await post(`/v1/capsules/${id}/exec`, { cmd: "sh", args: ["-c", line], ...more });
    await exec("exit 0");
    const before = holds;
    const query = `?capsule=${id}&types=process.*,network.decision,capsule.paused`;
    const stream = await EventListener.open(query, { url, key });
    const silent = await EventListener.open(`?capsule=${id}`, { url, key });
    decisions = [decided];
    await stream.until("a decision", () => stream.kinds().includes("network.decision"));
    assert.equal(holds, before, "looking does not use the capsule");
    await exec("exit 3");
    await exec("exec sleep 60", { background: true, tag: "long" });
    const exited = () => stream.received.find(({ data }) => data["exit_code"] === 3);
    await stream.until("a short one is reported", () => exited() !== undefined);
    const ofShort = stream.received.filter(({ data }) => data["pid"] === exited()?.data["pid"]);
    assert.deepEqual(
      ofShort.map(({ event }) => event),
      ["process.started", "process.exited"],
    );
    const of = (tag: string) =>
      stream.received
        .filter(({ data }) => data["tag"] === tag)
        .map(({ event, data }) => `${event} ${JSON.stringify(data["exit_code"])}`);
    await stream.until("the long one is started", () => of("long").length === 1);
    await platform.call("DELETE", `/v1/capsules/${id}/processes/long`, { key });
    await stream.until("the long one is ended", () => of("long").length === 2);
    assert.equal(of("long")[1], "process.exited 137");
    assert.ok(stream.received.every(({ id: place }) => place === ""));
    assert.deepEqual(silent.received, [], "only streams that ask receive them");
    await post(`/v1/capsules/${id}/pause`);
    await stream.until("it is paused", () => stream.kinds().at(-1) === "capsule.paused");
    const last = stream.received.at(-1)?.id ?? "";
    for (const listener of [stream, silent]) listener.close();
    await post(`/v1/capsules/${id}/resume`);
    const again = await EventListener.open(query, { url, key, last });
    await eventually("a gap", () => again.received.length > 0);
    assert.deepEqual(
      again.received.map(({ event, data }) => [event, data["reason"]]),
      [["events.gap", "not_stored"]],
    );
    again.close();
  });
