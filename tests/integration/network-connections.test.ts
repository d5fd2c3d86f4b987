import assert from "node:assert/strict";
import { setTimeout } from "node:timers/promises";
import { after, before, describe, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import type { Slot } from "@wrenn/network";
import { runCommand, tryCommand } from "@wrenn/system";
import {
  attachGuest,
  HELLO_SERVER,
  needsRoot,
  openInternet,
  openPool,
  reaches,
  runIn,
  serveIn,
} from "../support/network-lab.ts";
import type { OpenPool } from "../support/network-lab.ts";

const signal = new AbortController().signal;
const name = `wrconn-${process.pid}`;
const PUBLIC = "203.0.113.9";
/** Greets on 9003 and holds on; says nothing to datagrams. */
const SERVER = `require("net").createServer((s)=>{s.on("error",()=>{});s.write("hello")}).listen(9003,"0.0.0.0",4096,()=>process.stdout.write("up"));require("dgram").createSocket("udp4").bind(7000)`;
const TEAM_LIMIT = 40;
const TURNS = process.env["WRENN_TEST_LONG"] === "1" ? 64 : 2;

/** Connections of an address in the host's table, from either side. */
async function remembered(address: string): Promise<number> {
  const lists = await Promise.all(
    ["--orig-src", "--orig-dst"].map((end) => tryCommand(["conntrack", "--dump", end, address])),
  );
  return lists.reduce((sum, { stdout }) => sum + stdout.split("\n").filter(Boolean).length, 0);
}

/** Opens connections that the server greets and holds for a time; prints how many were greeted. */
const hold = (count: number, ms = 1500): string =>
  `let g=0;for(let i=0;i<${count};i++){const s=require("net").connect(9003,"${PUBLIC}");s.on("error",()=>{});s.once("data",()=>g++)}setTimeout(()=>{console.log(g);process.exit()},${ms})`;

/** Opens connections; prints how many were greeted within the time, sooner when all were. */
const greet = (count: number, ms = 1500): string =>
  hold(count, ms).replace("g++", `++g===${count}&&(console.log(g),process.exit())`);

/** Sends one datagram to each of so many ports. */
const spray = (count: number): string =>
  `const s=require("dgram").createSocket("udp4");s.bind(0,async()=>{for(let p=1;p<=${count};p++)await new Promise((r)=>s.send("x",10000+p,"${PUBLIC}",r));process.exit()})`;

/** Opens and ends connections to a port without a listener, and to one that ends them. */
const churn = (count: number): string =>
  `const n=require("net");let left=${count};const one=(p)=>new Promise((r)=>{const s=n.connect(p,"${PUBLIC}");s.on("error",()=>{});s.resume();s.on("close",r)});const go=async()=>{while(left-->0)await one(left%2?8080:1)};Promise.all(Array.from({length:8},go)).then(()=>process.exit())`;

interface Guest {
  readonly slot: Slot;
  readonly namespace: string;
}

describe("connections of slots in the host's table", { skip: needsRoot }, () => {
  const stack = new AsyncDisposableStack();
  let opened: OpenPool;
  let guests: readonly Guest[];
  /** What the guard of the table sees. */
  const table = { entries: 0, size: 262_144 };

  before(async () => {
    opened = stack.use(
      await openPool({
        connectionLimits: { team: TEAM_LIMIT },
        connectionTable: async () => ({ ...table }),
      }),
    );
    stack.use(await openInternet(name, [PUBLIC]));
    for (const script of [SERVER, HELLO_SERVER]) stack.use(await serveIn(name, script));
    guests = await Promise.all(["a", "b", "c"].map((letter) => attach(letter)));
  });
  after(() => stack.disposeAsync());

  async function attach(letter: string): Promise<Guest> {
    const slot = await opened.acquire();
    const namespace = `${name}-${letter}`;
    stack.use(await attachGuest(slot, namespace));
    return { slot, namespace };
  }

  const [a, b, c] = [0, 1, 2].map((at) => (): Guest => guests[at] ?? assert.fail("no such guest"));
  assert.ok(a && b && c);

  test("capsules of a team hold so many connections together, those of other teams have their own", async () => {
    await opened.pool.assignTeam(a().slot, "team-one", signal);
    await opened.pool.assignTeam(b().slot, "team-one", signal);
    await opened.pool.assignTeam(c().slot, "team-two", signal);
    const counts = await Promise.all(
      [a(), b(), c()].map(async ({ namespace }) => Number((await runIn(namespace, hold(30))).stdout)),
    );
    assert.equal((counts[0] ?? 0) + (counts[1] ?? 0), TEAM_LIMIT, String(counts));
    assert.equal(counts[2], 30, String(counts));
    await opened.pool.assignTeam(b().slot, "team-two", signal);
    assert.equal(Number((await runIn(b().namespace, greet(30))).stdout), 30, "counted for another team");
  });

  test("datagrams to ever new ports stay within the limit of the team", async () => {
    await runIn(a().namespace, spray(400));
    const held = await remembered(a().slot.hostAddress);
    assert.ok(held > 0 && held <= TEAM_LIMIT * 2, `${held} connections`);
  });

  test("nothing of a slot is left in the table when it is released, from whichever side it was opened", async () => {
    const { slot, namespace } = c();
    stack.use(await serveIn(namespace, HELLO_SERVER));
    await using _ = { [Symbol.asyncDispose]: async () => void (await running) };
    const running = runIn(namespace, hold(30, 3000));
    await runIn(namespace, spray(5));
    await runIn(namespace, churn(6));
    const inbound = await tryCommand(["curl", "-s", "--max-time", "2", `telnet://${slot.hostAddress}:8080`]);
    assert.equal(inbound.code, 0);
    await eventually("they are in the table", async () => (await remembered(slot.hostAddress)) >= 35);
    await opened.pool.release(slot);
    await eventually("none is left", async () => (await remembered(slot.hostAddress)) === 0, {
      timeoutMs: 5000,
    });
    await setTimeout(1000);
    assert.equal(await remembered(slot.hostAddress), 0, "and nothing puts them back");
    guests = [a(), b(), await attach("d")];
    assert.equal(c().slot.number, slot.number, "the number is used again");
    assert.equal(Number((await runIn(c().namespace, greet(30))).stdout), 30, "without the team of before");
  });

  test("slots that are made, filled and released in turn leave nothing", async () => {
    for (let turn = 0; turn < TURNS; turn += 1) {
      const slot = await opened.pool.acquire(signal);
      await opened.pool.assignTeam(slot, "team-three", signal);
      const namespace = `${name}-t${turn}`;
      await using _ = await attachGuest(slot, namespace);
      assert.equal(Number((await runIn(namespace, greet(TEAM_LIMIT))).stdout), TEAM_LIMIT);
      await opened.pool.release(slot);
      await eventually("none is left", async () => (await remembered(slot.hostAddress)) === 0, {
        timeoutMs: 5000,
      });
    }
  });

  test("established connections are forgotten after two hours and not five days, ended ones after seconds", async () => {
    const { slot, namespace } = b();
    const running = runIn(namespace, hold(1, 1500));
    const seconds = async (state: string): Promise<number> => {
      const { stdout } = await tryCommand(["conntrack", "--dump", "--orig-src", slot.hostAddress]);
      const line = stdout.split("\n").find((one) => one.includes(` ${state} `) && one.includes("dport=9003"));
      return Number(/^tcp +6 (\d+)/.exec(line ?? "")?.[1] ?? 0);
    };
    await eventually("it is in the table", async () => (await seconds("ESTABLISHED")) > 0);
    assert.ok((await seconds("ESTABLISHED")) <= 7440);
    await running;
    await runIn(namespace, churn(4));
    const { stdout } = await tryCommand(["conntrack", "--dump", "--orig-src", slot.hostAddress]);
    const ended = [...stdout.matchAll(/^tcp +6 (\d+) (TIME_WAIT|CLOSE) /gm)];
    assert.ok(ended.length >= 2, stdout);
    for (const [line, left, state] of ended) assert.ok(Number(left) <= (state === "CLOSE" ? 10 : 20), line);
  });

  test("while the host's table is nearly full capsules open no connections, and those that they have go on", async () => {
    const { namespace } = b();
    const script = `const s=require("net").connect(8080,"${PUBLIC}");s.on("data",()=>{});const h=require("net").connect({port:9003,host:"${PUBLIC}",allowHalfOpen:true});h.on("data",(d)=>console.log(String(d)));setTimeout(()=>{h.end();h.on("close",()=>0);console.log(h.destroyed?"cut":"held");process.exit()},3500)`;
    const running = runIn(namespace, script);
    await setTimeout(500);
    table.entries = table.size * 0.8;
    await eventually("full", async () => !(await reaches(namespace, PUBLIC, 8080)));
    table.entries = table.size * 0.5;
    await eventually("it connects again", async () => await reaches(namespace, PUBLIC, 8080));
    assert.match((await running).stdout, /held/);
  });

  test("the next pool forgets connections of slots that are gone, and leaves those of live ones alone", async () => {
    const { slot, namespace } = b();
    const running = runIn(namespace, hold(5, 2000));
    const gone = `10.${opened.pool.instance.block}.99.7`;
    const add = async (from: string, to: string): Promise<void> => {
      const ends = ["-s", from, "-d", to, "-p", "tcp", "--sport", "1", "--dport", "2"];
      await runCommand(["conntrack", "-I", ...ends, "--state", "ESTABLISHED", "--timeout", "7000"]);
    };
    await add(gone, PUBLIC);
    await add("203.0.113.1", gone);
    assert.equal(await remembered(gone), 2);
    await eventually("it has connections", async () => (await remembered(slot.hostAddress)) >= 5);
    const adopted = await opened.reopen();
    guests = guests.map((guest) => ({
      ...guest,
      slot: adopted.find(({ number }) => number === guest.slot.number) ?? assert.fail("it is gone"),
    }));
    assert.equal(await remembered(gone), 0);
    assert.ok((await remembered(slot.hostAddress)) >= 5);
    assert.equal((await running).stdout.trim(), "5");
  });
});
