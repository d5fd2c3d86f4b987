import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decode, encode } from "dns-packet";
import type { Answer, DecodedPacket, RecordType } from "dns-packet";
import { silentLogger, systemClock } from "@wrenn/core";
import { createDestinations } from "../src/destinations.ts";
import { createResolver } from "../src/gateway/resolver.ts";
import { SlotState } from "../src/gateway/slot-state.ts";
import type { NamedAddress } from "../src/policy-rules.ts";
import { parsePolicy } from "../src/policy.ts";
import type { NetworkPolicy } from "../src/policy.ts";

const signal = new AbortController().signal;

/** A resolver whose upstream answers every question with the given records. */
function setUp(policy: Partial<NetworkPolicy>, answers: Answer[] = [], bindFails = false) {
  const slot = new SlotState(1, parsePolicy({ egress: "deny", allow: [], deny: [], ...policy }), 1);
  const asked: string[] = [];
  const bound: NamedAddress[] = [];
  const resolve = createResolver({
    clock: systemClock,
    logger: silentLogger,
    isReachable: createDestinations([]).isReachable,
    ask: async (question) => {
      asked.push(question.name);
      return decode(encode({ type: "response", id: 1, questions: [question], answers }));
    },
    bind: async (_slot, _epoch, addresses) => {
      if (bindFails) throw new Error("refused by the kernel");
      bound.push(...addresses);
    },
  });
  const ask = async (name: string, type: RecordType = "A"): Promise<DecodedPacket & { rcode?: string }> => {
    const query = encode({ type: "query", id: 77, flags: 256, questions: [{ name, type, class: "IN" }] });
    const answer = await resolve(slot, query, "udp", signal);
    assert.ok(answer);
    return decode(answer);
  };
  return { slot, asked, bound, resolve, ask };
}

const a = (name: string, data: string, ttl = 300): Answer => ({ type: "A", name, data, ttl });

test("an allowed name is answered after its addresses are bound for its time and a grace", async () => {
  const { ask, bound, slot } = setUp({ allow: ["*.example.com"] }, [a("www.example.com", "203.0.113.9")]);
  const answer = await ask("WWW.example.com");
  assert.equal(answer.rcode, "NOERROR");
  assert.equal(answer.questions?.[0]?.name, "WWW.example.com", "the name as asked");
  assert.deepEqual(bound, [{ address: "203.0.113.9", seconds: 360 }]);
  assert.deepEqual(slot.observed("www.example.com", Date.now()), ["203.0.113.9"]);
});

test("a name that the policy denies is refused and nobody is asked", async () => {
  const { ask, asked, slot } = setUp({ allow: ["example.com"] }, [a("example.org", "203.0.113.9")]);
  assert.equal((await ask("example.org")).rcode, "REFUSED");
  assert.deepEqual(asked, []);
  assert.deepEqual(
    slot.log.list().map(({ subject, verdict, reason }) => [subject, verdict, reason]),
    [["example.org", "denied", "egress deny"]],
  );
});

test("an address that could not be bound is not told", async () => {
  const { ask, slot } = setUp({ allow: ["example.com"] }, [a("example.com", "203.0.113.9")], true);
  assert.equal((await ask("example.com")).rcode, "SERVFAIL");
  assert.equal(slot.observed("example.com", Date.now()), undefined);
});

test("addresses of the host's own networks are left out and never bound", async () => {
  const { ask, bound } = setUp({ allow: ["example.com"] }, [
    a("example.com", "10.0.0.5"),
    a("example.com", "169.254.169.254"),
    a("example.com", "203.0.113.9"),
  ]);
  const answer = await ask("example.com");
  assert.deepEqual(
    answer.answers?.map((record) => record.type === "A" && record.data),
    ["203.0.113.9"],
  );
  assert.deepEqual(
    bound.map(({ address }) => address),
    ["203.0.113.9"],
  );
});

test("times are bounded on both sides", async () => {
  const short = setUp({ allow: ["example.com"] }, [a("example.com", "203.0.113.9", 0)]);
  await short.ask("example.com");
  assert.equal(short.bound[0]?.seconds, 90);
  const long = setUp({ allow: ["example.com"] }, [a("example.com", "203.0.113.9", 2 ** 31 - 1)]);
  const [record] = (await long.ask("example.com")).answers ?? [];
  assert.equal(record && "ttl" in record && record.ttl, 3600);
  assert.equal(long.bound[0]?.seconds, 3660);
});

test("IPv6 and service bindings are answered with nothing, so that clients use what can be judged", async () => {
  const { ask, asked } = setUp({ egress: "allow" });
  for (const type of ["AAAA", "UNKNOWN_65", "UNKNOWN_64"] as RecordType[]) {
    const answer = await ask("example.com", type);
    assert.equal(answer.rcode, "NOERROR");
    assert.deepEqual(answer.answers, []);
  }
  assert.deepEqual(asked, []);
});

test("an answer that is too long for UDP is cut and says so", async () => {
  const records = Array.from({ length: 60 }, (_, n) =>
    a("a-rather-long-name.example.com", `203.0.113.${n + 1}`),
  );
  const { ask, resolve, slot } = setUp({ egress: "allow" }, records);
  const cut = await ask("a-rather-long-name.example.com");
  assert.equal(cut.flag_tc, true);
  assert.deepEqual(cut.answers, []);
  const query = encode({
    type: "query",
    id: 1,
    questions: [{ name: "a-rather-long-name.example.com", type: "A", class: "IN" }],
  });
  const whole = decode((await resolve(slot, query, "tcp", signal)) ?? Buffer.alloc(0));
  assert.equal(whole.answers?.length, 60);
});

test("what was observed under a policy is forgotten with it", async () => {
  const { ask, slot } = setUp({ allow: ["example.com"] }, [a("example.com", "203.0.113.9")]);
  await ask("example.com");
  slot.change(parsePolicy({ egress: "deny", allow: ["example.com"], deny: [] }), 2);
  assert.equal(slot.observed("example.com", Date.now()), undefined);
});

test("no packet makes the resolver throw", async () => {
  const { resolve, slot, ask } = setUp({ egress: "allow" }, [a("example.com", "203.0.113.9")]);
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => {
      await resolve(slot, Buffer.from(bytes), "udp", signal);
    }),
  );
  const query = encode({
    type: "query",
    id: 1,
    questions: [{ name: "example.com", type: "A", class: "IN" }],
  });
  const at = fc.nat({ max: query.length - 1 });
  await fc.assert(
    fc.asyncProperty(at, fc.nat({ max: 255 }), async (offset, value) => {
      const bytes = Buffer.from(query);
      bytes[offset] = value;
      await resolve(slot, bytes, "udp", signal);
    }),
    { numRuns: 1000 },
  );
  assert.equal((await ask("example.com")).rcode, "NOERROR");
});

test("the log of a slot is bounded and counts what repeats", () => {
  const { slot } = setUp({});
  for (let n = 0; n < 2000; n += 1)
    slot.log.record({ kind: "name", subject: `n${n % 1000}`, verdict: "denied", reason: "x", at: n });
  for (let n = 0; n < 3; n += 1)
    slot.log.record({ kind: "name", subject: "again", verdict: "denied", reason: "x", at: n });
  assert.equal(slot.log.list().length, 512);
  assert.equal(slot.log.list().at(-1)?.count, 3);
});
