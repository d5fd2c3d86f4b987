import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { after, test } from "node:test";
import { ensureFirstTeam } from "@wrenn/control-plane";
import { Bell, silentLogger, systemClock, systemRandom } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import { eventQueries } from "@wrenn/database";
import { TestDatabase } from "@wrenn/database/testing";
import type { EventBus } from "../src/events/event-bus.ts";
import { EventFeed } from "../src/events/event-feed.ts";
import { selectKinds } from "../src/events/event-selection.ts";
import { streamEvents } from "../src/events/event-stream.ts";
import { LiveActivity } from "../src/events/live-activity.ts";

const files = await TestDatabase.create();
const database = await files.open();
after(async () => {
  await database.close();
  await files[Symbol.asyncDispose]();
});
await ensureFirstTeam(database, systemRandom);
const { team_id: teamId } = await database.db
  .selectFrom("api_keys")
  .select("team_id")
  .executeTakeFirstOrThrow();

/** Waits are short, so that a quiet time is. */
const clock = {
  ...systemClock,
  sleep: async (_ms: number, signal?: AbortSignal) => await systemClock.sleep(20, signal),
};
/** Loses every notification. */
const deaf: EventBus = { subscribe: () => () => undefined, close: async () => undefined };
const feed = new EventFeed({ database, bus: deaf, clock, logger: silentLogger });
const activity = new LiveActivity({
  source: { look: async () => undefined },
  clock,
  logger: silentLogger,
});

async function insertEvent(name: string): Promise<string> {
  await eventQueries.emitEvent(database.db, {
    teamId,
    kind: "template.snapshot.created",
    resource: "snapshot",
    resourceId: name,
  });
  return await eventQueries.newestEvent(database.db);
}

test("an event whose notification was lost is found by one look for all streams", async () => {
  const ended = new AbortController();
  const from = await feed.begin(teamId, {});
  const found: string[][] = [[], []];
  const turns = [0, 0];
  const following = found.map(async (ids, index) => {
    const way = { wake: new Bell(), signal: ended.signal };
    for await (const { events } of feed.follow(teamId, from, way)) {
      ids.push(...events.map(({ id }) => id));
      turns[index] = (turns[index] ?? 0) + 1;
    }
  });
  await eventually("both are quiet", () => turns.every((count) => count > 3));
  const id = await insertEvent("silent");
  await eventually("both find it", () => found.every((ids) => ids.includes(id)));
  assert.deepEqual(found, [[id], [id]]);
  ended.abort(new Error("enough"));
  await Promise.allSettled(following);
});

test("a client that chose few events resumes from the place where its stream is", async () => {
  const ended = new AbortController();
  const response = new PassThrough();
  let text = "";
  response.on("data", (chunk: Buffer) => (text += chunk.toString()));
  const streaming = streamEvents(
    response,
    {
      identity: { teamId },
      kinds: selectKinds("capsule.*"),
      capsule: undefined,
      from: await feed.begin(teamId, {}),
      isResumed: false,
    },
    { events: feed, activity, now: () => clock.now() },
    ended.signal,
  );
  await eventually("it begins", () => text.startsWith(": "));
  const id = await insertEvent("not chosen");
  await eventually("a heartbeat has the place", () => text.includes(`\nid: ${id}\n\n`));
  assert.doesNotMatch(text, /data:/);
  ended.abort(new Error("enough"));
  await assert.rejects(streaming, /enough/);
});
