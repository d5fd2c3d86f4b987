import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Slot } from "@wrenn/network";
import { attachGuest, needsRoot, openPool, runIn } from "../support/network-lab.ts";
import type { OpenPool } from "../support/network-lab.ts";

const signal = new AbortController().signal;
const prefix = `wrevents-${process.pid}`;
const guests = [`${prefix}-a`, `${prefix}-b`, `${prefix}-c`] as const;

/** What a guest is answered at an address, or by the name as its resolver has it; or what became of the attempt. */
async function me(
  guest: string,
  at: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<string> {
  const script = `const dns=new (require("dns").promises.Resolver)({tries:1,timeout:3000});dns.setServers(["169.254.0.22"]);
const at=${JSON.stringify(at)};const say=(t)=>{console.log(t);process.exit()};setTimeout(()=>say("timeout"),2500);
(/^[\\d.:]+$/.test(at)?Promise.resolve([at]):dns.resolve4(at)).then(([a])=>{
require("http").get({host:a,path:"/me",headers:{Host:"events.e2b.local",...${JSON.stringify(headers)}}},(r)=>{let t="";r.on("data",(d)=>t+=d);r.on("end",()=>say(r.statusCode+" "+t))}).on("error",(e)=>say(e.code))},(e)=>say(e.code))`;
  return (await runIn(guest, script)).stdout.trim();
}

describe("the endpoint of events", { skip: needsRoot }, () => {
  let opened: OpenPool;
  let slots: readonly Slot[];
  const stack = new AsyncDisposableStack();

  before(async () => {
    opened = stack.use(await openPool());
    slots = [await opened.acquire(), await opened.acquire(), await opened.acquire()];
    for (const [at, slot] of slots.entries()) stack.use(await attachGuest(slot, guests[at] ?? ""));
    for (const [at, capsule] of ["cl-first", "cl-second"].entries()) {
      const slot = slots[at] ?? assert.fail();
      opened.pool.assignCapsule(slot, capsule);
      await opened.pool.applyPolicy(slot, { egress: "deny", allow: [], deny: ["0.0.0.0/0"] }, signal);
    }
  });
  after(() => stack.disposeAsync());

  test("each guest is answered its own sandbox under a policy that denies everything, by address and by name", async () => {
    const answers = await Promise.all([
      me(guests[0], "169.254.0.22"),
      me(guests[1], "169.254.0.22"),
      me(guests[1], "events.e2b.local"),
      me(guests[0], "169.254.0.22", { "X-Forwarded-For": "169.254.0.21", "E2b-Sandbox-Id": "second" }),
    ]);
    const [first, second] = ['200 {"sandboxID":"first"}', '200 {"sandboxID":"second"}'];
    assert.deepEqual(answers, [first, second, second, first]);
    assert.deepEqual(await opened.pool.decisions(slots[0] ?? assert.fail(), signal), [], "it is no decision");
  });

  test("a slot without a capsule is no sandbox", async () => {
    assert.match(await me(guests[2], "events.e2b.local"), /^404 \{"code":404,"message":"no sandbox/);
  });

  test("a slot that an earlier server has left is no sandbox until its capsule is named again", async () => {
    const [slot = assert.fail()] = await opened.reopen();
    assert.match(await me(guests[0], "169.254.0.22"), /^404 /);
    opened.pool.assignCapsule(slot, "cl-first");
    assert.equal(await me(guests[0], "169.254.0.22"), '200 {"sandboxID":"first"}');
  });
});
