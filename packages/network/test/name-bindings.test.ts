import assert from "node:assert/strict";
import { setImmediate } from "node:timers/promises";
import { test } from "node:test";
import { decode, encode } from "dns-packet";
import type { Answer } from "dns-packet";
import { silentLogger, systemClock } from "@wrenn/core";
import { createDestinations } from "../src/destinations.ts";
import { NameBindings } from "../src/gateway/name-bindings.ts";
import { createResolver } from "../src/gateway/resolver.ts";
import { SlotState } from "../src/gateway/slot-state.ts";
import type { NamedAddress } from "../src/policy-rules.ts";
import { parsePolicy } from "../src/policy.ts";

const signal = new AbortController().signal;

const a = (name: string, data: string, ttl = 300): Answer => ({ type: "A", name, data, ttl });

test("an address that many names share is bound once, until it would end before the record does", async () => {
  const requests: (readonly NamedAddress[])[] = [];
  const slot = new SlotState(1, parsePolicy({ egress: "deny", allow: ["*"], deny: [] }), 1);
  let now = 0;
  let ttl = 300;
  let address = (_name: string): string => "203.0.113.9";
  const resolve = createResolver({
    clock: { ...systemClock, now: () => now },
    logger: silentLogger,
    scope: { destinations: createDestinations([]), searchDomains: [] },
    ask: async ({ type, name }) =>
      decode(
        encode({
          type: "response",
          id: 1,
          questions: [{ type, name }],
          answers: [a(name, address(name), ttl)],
        }),
      ),
    bind: async (_slot, _epoch, addresses) => {
      requests.push(addresses);
      await setImmediate();
    },
  });
  const ask = async (name: string): Promise<string | undefined> => {
    const query = encode({ type: "query", id: 1, flags: 256, questions: [{ name, type: "A", class: "IN" }] });
    const answer = await resolve(slot, query, "udp", signal);
    return answer && decode(answer).questions?.[0]?.name;
  };
  const askMany = async (count: number, prefix: string): Promise<void> => {
    for (let n = 0; n < count; n += 50) {
      await Promise.all(Array.from({ length: 50 }, (_, at) => ask(`${prefix}${n + at}.example.com`)));
      // Tokens for questions come back; what is bound stays bound.
      now += 250;
    }
  };
  await askMany(1000, "n");
  assert.ok(requests.length >= 1 && requests.length <= 3, `${requests.length} requests`);
  requests.length = 0;
  ttl = 3000;
  await ask("longer.example.com");
  assert.equal(requests.length, 1, "its time is longer");
  slot.change(slot.policy, 2);
  await ask("longer.example.com");
  assert.equal(requests.length, 2, "another policy has bound nothing");
  requests.length = 0;
  address = (name) => `198.51.100.${Number(/^m(\d+)/.exec(name)?.[1] ?? 0) + 1}`;
  now += 10_000;
  await Promise.all(Array.from({ length: 50 }, (_, n) => ask(`m${n}.example.com`)));
  assert.ok(requests.length <= 2, `${requests.length} requests for addresses that came together`);
  assert.equal(requests.flat().length, 50);
});

test("addresses of a name that an earlier policy allowed are not bound under the one that replaced it", async () => {
  const slot = new SlotState(1, parsePolicy({ egress: "deny", allow: ["*.example"], deny: [] }), 1);
  const bound: { readonly epoch: number; readonly address: string }[] = [];
  const late = Promise.withResolvers<void>();
  const resolve = createResolver({
    clock: systemClock,
    logger: silentLogger,
    scope: { destinations: createDestinations([]), searchDomains: [] },
    ask: async (question) => {
      const isLate = question.name === "late.example";
      if (isLate) await late.promise;
      const answers = [a(question.name, isLate ? "198.51.100.1" : "203.0.113.9")];
      return decode(encode({ type: "response", id: 1, questions: [question], answers }));
    },
    bind: async (_slot, epoch, addresses) => {
      bound.push(...addresses.map(({ address }) => ({ epoch, address })));
    },
  });
  const ask = async (name: string): Promise<string | undefined> => {
    const query = encode({ type: "query", id: 7, questions: [{ name, type: "A", class: "IN" }] });
    const answer = decode((await resolve(slot, query, "udp", signal)) ?? Buffer.alloc(0));
    return (answer as { rcode?: string }).rcode;
  };
  const asked = ask("late.example");
  slot.change(parsePolicy({ egress: "deny", allow: ["good.example"], deny: [] }), 2);
  late.resolve();
  const answers = await Promise.all([asked, ask("good.example")]);
  assert.deepEqual(answers, ["SERVFAIL", "NOERROR"]);
  assert.deepEqual(bound, [{ epoch: 2, address: "203.0.113.9" }]);
});

test("a request to bind that waited for its turn is dropped when the policy has changed meanwhile", async () => {
  const bindings = new NameBindings(1);
  let now = 0;
  const turn = Promise.withResolvers<void>();
  const clock = { ...systemClock, now: () => now, sleep: async () => await turn.promise };
  const bound: string[] = [];
  const hold = async (address: string): Promise<void> =>
    await bindings.hold({
      addresses: [address],
      seconds: 60,
      epoch: 1,
      clock,
      bind: async (named) => void bound.push(...named.map((one) => one.address)),
    });
  // As many as a slot may ask for at once.
  for (let n = 0; n < 64; n++) await hold(`203.0.113.${n}`);
  const last = hold("198.51.100.1");
  await setImmediate();
  bindings.begin(2);
  now = 10_000;
  turn.resolve();
  await assert.rejects(last, /the policy has changed/);
  assert.equal(bound.length, 64);
  assert.ok(!bound.includes("198.51.100.1"));
});

test("what a slot has observed is bounded in bytes, the oldest going first", () => {
  const slot = new SlotState(1, parsePolicy({ egress: "deny", allow: ["*"], deny: [] }), 1);
  const addresses = Array.from({ length: 64 }, (_, n) => `203.100.100.${100 + n}`);
  const nameOf = (n: number): string => `${"x".repeat(200)}${n}.example`;
  for (let n = 0; n < 1000; n++) slot.observe(nameOf(n), addresses, 10);
  const kept = Array.from({ length: 1000 }, (_, n) => n).filter((n) => slot.observed(nameOf(n), 0));
  assert.ok(kept.length > 50 && kept.length < 140, `${kept.length} names`);
  assert.equal(kept.at(-1), 999);
  assert.equal(kept[0], 1000 - kept.length);
  // Names as they usually are all fit.
  for (let n = 0; n < 1024; n++)
    slot.observe(`host-${n}.example.com`, ["203.100.100.100", "203.100.100.101"], 10);
  assert.ok(slot.observed("host-0.example.com", 0));
});
