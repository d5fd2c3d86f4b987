import { check, equal, rejection } from "./check.ts";
import type { Scenario } from "./scenario.ts";

const unique = (): string => `portable-${Math.random().toString(36).slice(2, 12)}`;

export const capsuleScenarios: readonly Scenario[] = [
  {
    name: "a capsule is created, found by its name, used and destroyed",
    run: async ({ sdk: { Capsule, isWrennError }, connection }) => {
      const name = unique();
      const capsule = await Capsule.create({
        ...connection,
        name,
        memoryMib: 256,
        metadata: { suite: "portable" },
      });
      try {
        equal(capsule.name, name);
        equal((await capsule.info()).status, "running");
        equal((await Capsule.get(name, connection)).id, capsule.id);
        equal((await capsule.commands.run("echo hello")).stdout, "hello\n");
        const same = await Capsule.getOrCreate(name, connection);
        equal([same.id, same.isOwned], [capsule.id, false]);
      } finally {
        await capsule[Symbol.asyncDispose]();
      }
      const error = await rejection(Capsule.connect(capsule.id, connection));
      check(isWrennError(error), String(error));
    },
  },
  {
    name: "lists are iterated over pages",
    run: async ({ sdk: { Capsule }, connection, capsuleId }) => {
      const stage = unique();
      const capsule = await Capsule.get(capsuleId, connection);
      await capsule.update({ metadata: { stage } });
      const found: string[] = [];
      for await (const one of Capsule.list({ ...connection, metadata: { stage }, pageSize: 1 }))
        found.push(one.id);
      equal(found, [capsuleId]);
      const events: string[] = [];
      for await (const { type } of capsule.events({ pageSize: 1, limit: 2 })) events.push(type);
      equal(events.length, 2);
    },
  },
  {
    name: "events are followed, and leaving the loop ends the stream",
    run: async ({ sdk: { Capsule }, connection, capsuleId }) => {
      const capsule = await Capsule.get(capsuleId, connection);
      const options = { follow: true, types: ["capsule.created"], since: new Date(0) } as const;
      let seen: string | undefined;
      for await (const event of capsule.events(options)) {
        seen = event.resource?.id;
        break;
      }
      equal(seen, capsuleId);
    },
  },
];
