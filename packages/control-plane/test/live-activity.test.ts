import assert from "node:assert/strict";
import { test } from "node:test";
import { Bell, silentLogger, systemClock } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import type { NetworkDecision, ProcessFacts } from "@wrenn/protocol";
import { Value } from "typebox/value";
import { compareDecisions, compareProcesses } from "../src/events/activity-changes.ts";
import { eventKindsByName, GapData } from "../src/events/event-kinds.ts";
import { LiveActivity } from "../src/events/live-activity.ts";
import type { ActivityReport, ActivitySource, CapsuleActivity } from "../src/events/live-activity.ts";
import { liveEventJson } from "../src/events/live-event-json.ts";
import { LiveQueue } from "../src/events/live-queue.ts";

const team = "00000000-0000-0000-0000-000000000001";
const processes = (count: number): ProcessFacts[] =>
  Array.from({ length: count }, (_, index) => ({
    pid: index + 1,
    cmd: "sleep",
    args: ["secret"],
    terminal: false,
    startedAt: index,
  }));
const decision = (subject: string, count: number): NetworkDecision => ({
  kind: "name",
  subject,
  verdict: "denied",
  reason: "egress",
  count,
  at: 0,
});

/** A host of which the test says what it shows. */
class FakeSource implements ActivitySource {
  shown: CapsuleActivity | undefined | Error = { processes: [], decisions: [] };
  looks = 0;
  look: ActivitySource["look"] = async () => {
    this.looks++;
    if (this.shown instanceof Error) throw this.shown;
    return this.shown;
  };
}

function watching(): { source: FakeSource; activity: LiveActivity } {
  const source = new FakeSource();
  // The time between looks passes at once.
  const clock = {
    ...systemClock,
    sleep: async (_ms: number, signal?: AbortSignal) => await systemClock.sleep(2, signal),
  };
  return { source, activity: new LiveActivity({ source, clock, logger: silentLogger }) };
}

test("processes and decisions are compared from look to look; a pid that is used again is another process", () => {
  const [one, two, three] = processes(3);
  assert.ok(one && two && three);
  const again = { ...one, startedAt: 9 };
  const [ended, short] = [two, three].map((process) => ({ ...process, exit: { exitCode: 3 } }));
  assert.ok(ended && short);
  const done = compareProcesses([one, two], [again, ended, short]).map(
    ({ type, ...change }) => `${type} ${JSON.stringify("process" in change && change.process.pid)}`,
  );
  assert.deepEqual(done, [
    "process.started 1",
    "process.exited 2",
    "process.started 3",
    "process.exited 3",
    "process.exited 1",
  ]);
  assert.deepEqual(compareProcesses([ended, short], [short]), [], "exits are forgotten in silence");
  const changes = compareDecisions(
    [decision("a", 2), decision("b", 5)],
    [decision("a", 2), decision("b", 7), decision("c", 1)],
  );
  assert.deepEqual(
    changes.map(({ subject, count }) => [subject, count]),
    [
      ["b", 2],
      ["c", 1],
    ],
  );
  assert.equal(compareDecisions([decision("a", 9)], [decision("a", 4)])[0]?.count, 4);
});

test("streams of one capsule share its looks, which end with the last of them", async () => {
  const { source, activity } = watching();
  const reports: ActivityReport[] = [];
  const ends = [
    await activity.watch(team, "cl-1", (report) => reports.push(report)),
    await activity.watch(team, "cl-1", () => undefined),
  ];
  source.shown = { processes: processes(1), decisions: [decision("example.org", 1)] };
  await eventually("both are reported", () => reports.length > 0);
  source.shown = { processes: [], decisions: [decision("example.org", 1)] };
  await eventually("it exited", () => reports.length > 1);
  assert.deepEqual(
    reports.flatMap(({ changes }) => changes.map(({ type }) => type)),
    ["process.started", "network.decision", "process.exited"],
  );
  for (const end of ends) end();
  const { looks } = source;
  await systemClock.sleep(30);
  assert.ok(source.looks <= looks + 1, "no one looks any longer");
});

test("a capsule that stands still does nothing, and a host that does not answer is one gap", async () => {
  const { source, activity } = watching();
  source.shown = { processes: processes(2), decisions: [] };
  const reports: ActivityReport[] = [];
  const end = await activity.watch(team, "cl-1", (report) => reports.push(report));
  source.shown = undefined;
  await eventually("it was looked at", () => source.looks > 3);
  source.shown = new Error("no answer");
  await eventually("it is a gap", () => reports.length > 0);
  source.shown = { processes: processes(3), decisions: [] };
  await eventually("what was started in between", () => reports.length > 1);
  assert.deepEqual(
    reports.map(({ changes, isUnreachable }) => [changes.length, isUnreachable]),
    [
      [0, true],
      [1, false],
    ],
  );
  end();
});

test("what is more than a stream gets is counted, for each look and for each client", async () => {
  const { source, activity } = watching();
  const reports: ActivityReport[] = [];
  const end = await activity.watch(team, "cl-1", (report) => reports.push(report));
  source.shown = { processes: processes(250), decisions: [] };
  await eventually("they are reported", () => reports.length > 0);
  assert.deepEqual([reports[0]?.changes.length, reports[0]?.dropped], [100, 150]);
  end();
  const queue = new LiveQueue({
    teamId: team,
    capsule: "cl-1",
    kinds: new Set(["process.started"]),
    now: () => 0,
    wake: new Bell(),
  });
  const [report] = reports;
  assert.ok(report);
  for (let time = 0; time < 7; time++) queue.add(report);
  const taken = queue.take();
  assert.equal(taken.length, 501);
  const gap = taken.at(-1);
  assert.equal(gap?.event, "events.gap");
  assert.deepEqual(gap.data, { types: ["process.started"], reason: "too_many", dropped: 7 * 150 + 200 });
  assert.ok(Value.Check(GapData, gap.data));
  assert.deepEqual(queue.take(), []);
});

test("events that are not stored are what the table of kinds says, and show no arguments", () => {
  const kinds = ["process.started", "process.exited", "network.decision"];
  const queue = new LiveQueue({
    teamId: team,
    capsule: "cl-1",
    kinds: new Set(kinds),
    now: () => 0,
    wake: new Bell(),
  });
  const [process] = processes(1);
  assert.ok(process);
  queue.add({
    changes: [
      { type: "process.started", process },
      { type: "process.exited", process: { ...process, exit: { exitCode: 137, signal: 9 } } },
      { type: "network.decision", decision: decision("example.org", 2) },
    ],
    dropped: 0,
    isUnreachable: false,
  });
  const events = queue.take();
  assert.deepEqual(
    events.map(({ event }) => event),
    kinds,
  );
  for (const { event, data } of events) {
    const kind = eventKindsByName.get(event);
    assert.ok(kind && Value.Check(kind.data, data), JSON.stringify(data));
    assert.doesNotMatch(JSON.stringify(data), /secret/);
  }
});

test("a process whose time was up has the exit of one in the foreground", () => {
  const [process] = processes(1);
  assert.ok(process);
  const exit = { exitCode: 143, signal: 15, timedOut: true };
  const change = { type: "process.exited", process: { ...process, exit } } as const;
  const { data } = liveEventJson(change, { teamId: team, capsule: "cl-1", at: 0 });
  assert.ok(Value.Check(eventKindsByName.get("process.exited")?.data ?? {}, data));
  assert.deepEqual([data["exit_code"], data["signal"], data["timed_out"]], [124, 15, true]);
});

test("times that a host makes up stop no stream", () => {
  const queue = new LiveQueue({
    teamId: team,
    capsule: "cl-1",
    kinds: new Set(["process.started", "network.decision"]),
    now: () => 0,
    wake: new Bell(),
  });
  const [process] = processes(1);
  assert.ok(process);
  const times = [Number.NaN, 1e300, -1e300, Number.POSITIVE_INFINITY];
  queue.add({
    changes: times.flatMap((ms) => [
      { type: "process.started", process: { ...process, startedAt: ms } },
      { type: "network.decision", decision: { ...decision("example.org", 1), at: ms } },
    ]),
    dropped: 0,
    isUnreachable: false,
  });
  assert.equal(queue.take().length, 2 * times.length);
});

test("a team watches at most 32 capsules at a time", async () => {
  const { activity } = watching();
  const ends = await Promise.all(
    Array.from(
      { length: 32 },
      async (_, index) => await activity.watch(team, `cl-${index}`, () => undefined),
    ),
  );
  const more = async (): Promise<() => void> => await activity.watch(team, "cl-more", () => undefined);
  await assert.rejects(more(), /32 capsules watched live/);
  ends[0]?.();
  ends.push(await more());
  for (const end of ends) end();
});
