import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decode, encode } from "dns-packet";
import type { Answer, DecodedPacket, RecordType } from "dns-packet";
import { silentLogger, systemClock } from "@wrenn/core";
import { createDestinations } from "../src/destinations.ts";
import { authoritiesFor } from "../src/gateway/dns-filter.ts";
import { createResolver } from "../src/gateway/resolver.ts";
import { SharedRate } from "../src/gateway/slot-allowance.ts";
import { SlotState } from "../src/gateway/slot-state.ts";
import type { NamedAddress } from "../src/policy-rules.ts";
import { parsePolicy } from "../src/policy.ts";
import type { NetworkPolicy } from "../src/policy.ts";

const signal = new AbortController().signal;

/** A resolver whose upstream answers every question with the given records. */
function setUp(
  policy: Partial<NetworkPolicy>,
  answers: Answer[] = [],
  bindFails = false,
  opened: readonly string[] = [],
) {
  const slot = new SlotState(1, parsePolicy({ egress: "deny", allow: [], deny: [], ...policy }), 1);
  const asked: string[] = [];
  const bound: NamedAddress[] = [];
  const resolve = createResolver({
    clock: systemClock,
    logger: silentLogger,
    scope: { destinations: createDestinations(opened), searchDomains: ["office.example"] },
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

test("no packet makes the resolver throw, and every answer can be read", async () => {
  const { resolve, ask } = setUp({ egress: "allow" }, [a("example.com", "203.0.113.9")]);
  const policy = parsePolicy({ egress: "allow", allow: [], deny: [] });
  const send = async (bytes: Uint8Array): Promise<void> => {
    const answer = await resolve(new SlotState(1, policy, 1), Buffer.from(bytes), "udp", signal);
    if (answer) decode(answer);
  };
  await fc.assert(fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), send));
  const question = { name: "example.com", type: "A" as const, class: "IN" as const };
  const query = encode({ type: "query", id: 1, questions: [question] });
  const at = fc.nat({ max: query.length - 1 });
  await fc.assert(
    fc.asyncProperty(at, fc.nat({ max: 255 }), async (offset, value) => {
      const bytes = Buffer.from(query);
      bytes[offset] = value;
      await send(bytes);
    }),
    { numRuns: 1000 },
  );
  assert.equal((await ask("example.com")).rcode, "NOERROR");
});

test("names that the wire format cannot hold after decoding are not answered and not asked for", async () => {
  const { resolve, slot, asked } = setUp({ egress: "allow" });
  const header = Buffer.from([0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
  for (const label of [
    Buffer.alloc(63, 0xff),
    Buffer.alloc(22, 0xc3),
    Buffer.from("a b"),
    Buffer.from("a\0b"),
  ]) {
    const question = Buffer.concat([
      Buffer.from([label.length]),
      label,
      Buffer.from("\x03com\0\0\x01\0\x01"),
    ]);
    const answer = await resolve(slot, Buffer.concat([header, question]), "udp", signal);
    assert.equal(answer, undefined);
  }
  assert.deepEqual(asked, []);
});

test("names of private networks are unknown, and no resolver is asked", async () => {
  const { ask, asked, slot } = setUp({ egress: "allow" }, [a("x", "203.0.113.9")]);
  const names =
    "printer db.corp vault.service.internal metadata.google.internal nas.local box.lan router.home.arpa localhost a.localhost " +
    "vm1.abc.bx.internal.cloudapp.net 5.0.20.10.in-addr.arpa 254.169.254.169.in-addr.arpa 10.in-addr.arpa in-addr.arpa 1.0.ip6.arpa";
  for (const name of names.split(" ")) {
    for (const type of ["A", "TXT", "SRV", "PTR", "NS", "SOA", "MX"] as const)
      assert.equal((await ask(name, type)).rcode, "NXDOMAIN", `${type} ${name}`);
  }
  assert.deepEqual(asked, []);
  assert.equal(slot.log.list()[0]?.reason, "a name of private networks");
});

test("the platform's own name is the guest's gateway under every policy, and no resolver is asked", async () => {
  for (const policy of [
    { egress: "deny" },
    { egress: "allow", deny: ["*.local", "events.e2b.local"] },
  ] as const) {
    const { ask, asked, bound, slot } = setUp(policy, [a("events.e2b.local", "203.0.113.9")]);
    const answer = await ask("Events.E2B.local");
    assert.equal(answer.rcode, "NOERROR");
    assert.deepEqual(
      answer.answers?.map((record) => (record.type === "A" ? record.data : record.type)),
      ["169.254.0.22"],
    );
    const none = await ask("events.e2b.local", "AAAA");
    assert.deepEqual([none.rcode, none.answers], ["NOERROR", []]);
    assert.notEqual((await ask("x.events.e2b.local")).rcode, "NOERROR");
    assert.deepEqual([asked, bound], [[], []]);
    assert.deepEqual(
      slot.log.list().map(({ subject }) => subject),
      ["x.events.e2b.local"],
    );
  }
});

test("where the operator opened private networks their names are answered with addresses, and with nothing else", async () => {
  const { ask, asked } = setUp(
    { egress: "allow" },
    [a("db.corp", "10.20.0.5"), a("db.corp", "10.21.0.5")],
    false,
    ["10.20.0.0/16"],
  );
  const { answers = [] } = await ask("db.corp");
  assert.deepEqual(
    answers.map((record) => record.type === "A" && record.data),
    ["10.20.0.5"],
  );
  for (const type of ["TXT", "SRV", "NS", "SOA", "MX"] as const)
    assert.deepEqual((await ask("db.corp", type)).answers, []);
  assert.equal((await ask("5.0.21.10.in-addr.arpa", "PTR")).rcode, "NXDOMAIN");
  assert.deepEqual(asked, ["db.corp"]);
  assert.equal((await ask("5.0.20.10.in-addr.arpa", "PTR")).rcode, "NOERROR");
});

test("in the host's own zones guests get addresses only, and types that reveal more are answered with nothing", async () => {
  const { ask, asked } = setUp({ egress: "allow" }, [a("www.office.example", "203.0.113.9")]);
  assert.equal((await ask("www.office.example")).answers?.length, 1);
  for (const type of ["TXT", "SRV", "NS", "SOA", "MX"] as const)
    assert.deepEqual((await ask("www.office.example", type)).answers, []);
  for (const type of ["HINFO", "DNSKEY", "NULL", "AXFR", "RP", "NSEC", "AAAA"] as const)
    assert.deepEqual((await ask("example.com", type)).answers, [], type);
  assert.deepEqual(asked, ["www.office.example"]);
});

test("records that name a private network are left out of answers of public names", async () => {
  const soa = {
    mname: "ns1.corp",
    rname: "admin.example.com",
    serial: 1,
    refresh: 1,
    retry: 1,
    expire: 1,
    minimum: 1,
  };
  const name = "example.com";
  const records: Answer[] = [
    { type: "MX", name, data: { preference: 1, exchange: "mail.corp" } },
    { type: "MX", name, data: { preference: 2, exchange: "mx.example.com" } },
    { type: "SRV", name, data: { port: 1, target: "ldap.lan" } },
    { type: "NS", name, data: "dc1.internal" },
    { type: "NS", name, data: "ns.example.com" },
    { type: "TXT", name, data: "v=spf1" },
    { type: "SOA", name, data: soa },
    { type: "CNAME", name, data: "app.corp" },
    { type: "A", name: "app.corp", data: "10.20.0.5" },
  ];
  const { ask } = setUp({ egress: "allow" }, records);
  const types = async (type: RecordType): Promise<readonly unknown[]> =>
    ((await ask(name, type)).answers ?? []).map((record) => ("data" in record ? record.data : undefined));
  assert.deepEqual(await types("A"), [], "no alias without an address");
  assert.deepEqual(await types("MX"), [{ preference: 2, exchange: "mx.example.com" }]);
  assert.deepEqual(await types("SRV"), []);
  assert.deepEqual(await types("NS"), ["ns.example.com"]);
  assert.deepEqual(await types("SOA"), []);
  assert.deepEqual(await types("CNAME"), []);
  assert.equal((await types("TXT")).length, 1);
});

test("the authority of an answer is its zone's SOA alone, unless that names a private network", async () => {
  const soa = (mname: string): Answer => ({
    type: "SOA",
    name: "example.com",
    data: { mname, rname: "admin.example.com", serial: 1, refresh: 1, retry: 1, expire: 1, minimum: 1 },
  });
  const found = (authorities: Answer[]): DecodedPacket => decode(encode({ type: "response", authorities }));
  const ns: Answer = { type: "NS", name: "example.com", data: "dc1.corp" };
  assert.deepEqual(
    authoritiesFor(found([ns, soa("ns.example.com")])).map(({ type }) => type),
    ["SOA"],
  );
  assert.deepEqual(authoritiesFor(found([ns, soa("dc1.corp")])), []);
});

test("a slot that asks without end is not answered until its tokens are back, and others are", async () => {
  const { resolve } = setUp({ egress: "allow" }, [a("example.com", "203.0.113.9")]);
  const policy = parsePolicy({ egress: "allow", allow: [], deny: [] });
  const question = { name: "example.com", type: "A" as const, class: "IN" as const };
  const query = encode({ type: "query", id: 1, flags: 256, questions: [question] });
  const [greedy, other] = [new SlotState(1, policy, 1), new SlotState(2, policy, 1)];
  let answered = 0;
  for (let n = 0; n < 5000; n += 1) if (await resolve(greedy, query, "tcp", signal)) answered += 1;
  assert.ok(answered >= 400 && answered < 2000, `${answered} of 5000`);
  assert.ok(await resolve(other, query, "udp", signal));
});

test("questions that never end take the places of one slot, and half of all leave room for the others", async () => {
  const policy = parsePolicy({ egress: "allow", allow: [], deny: [] });
  const resolve = createResolver({
    clock: systemClock,
    logger: silentLogger,
    scope: { destinations: createDestinations([]), searchDomains: [] },
    ask: () => new Promise(() => {}),
    bind: async () => {},
  });
  const question = { name: "example.com", type: "A" as const, class: "IN" as const };
  const query = encode({ type: "query", id: 1, flags: 256, questions: [question] });
  const asking = async (number: number): Promise<number> => {
    const slot = new SlotState(number, policy, 1);
    for (let n = 0; n < 100; n += 1) void resolve(slot, query, "udp", signal);
    return slot.asking;
  };
  for (let number = 1; number <= 16; number += 1) assert.equal(await asking(number), 64);
  for (let number = 17; number <= 100; number += 1) assert.equal(await asking(number), 8, `slot ${number}`);
});

test("a slot with nothing under way gets one question also when others have taken every place", async () => {
  const policy = parsePolicy({ egress: "allow", allow: [], deny: [] });
  const resolve = createResolver({
    clock: systemClock,
    logger: silentLogger,
    scope: { destinations: createDestinations([]), searchDomains: [] },
    ask: () => new Promise(() => {}),
    bind: async () => {},
  });
  const question = { name: "example.com", type: "A" as const, class: "IN" as const };
  const query = encode({ type: "query", id: 1, flags: 256, questions: [question] });
  for (let number = 1; number <= 400; number += 1) {
    const slot = new SlotState(number, policy, 1);
    for (let n = 0; n < 100; n += 1) void resolve(slot, query, "udp", signal);
    assert.ok(slot.asking >= 1, `slot ${number}`);
    if (number === 400) assert.equal(slot.asking, 1);
  }
});

test("slots that ask without end leave a share of the questions to those that ask for little", () => {
  const policy = parsePolicy({ egress: "allow", allow: [], deny: [] });
  const shared = new SharedRate(100);
  const [one, two, honest] = [1, 2, 3].map((number) => new SlotState(number, policy, 1));
  assert.ok(one && two && honest);
  let taken = 0;
  for (let now = 0; now < 10_000; now += 1)
    for (const { modestQuestions } of [one, two]) if (shared.take(modestQuestions, now)) taken += 1;
  assert.ok(taken <= 1200, `${taken} questions in 10 s`);
  for (let n = 0; n < 20; n += 1) assert.ok(shared.take(honest.modestQuestions, 10_000), `question ${n + 1}`);
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
