import assert from "node:assert/strict";
import { setTimeout } from "node:timers/promises";
import { after, before, describe, test } from "node:test";
import { encode } from "dns-packet";
import { eventually } from "@wrenn/core/testing";
import type { Slot } from "@wrenn/network";
import { runCommand, tryCommand } from "@wrenn/system";
import { startDnsStub } from "../support/dns-stub.ts";
import {
  attachGuest,
  INTERNET_ROUTER,
  needsRoot,
  openInternet,
  openPool,
  reaches,
  runIn,
  serveIn,
} from "../support/network-lab.ts";
import type { OpenPool } from "../support/network-lab.ts";

/* What capsules share of the host's table of connections, on a host with a small one and with a usual one. */

const signal = new AbortController().signal;
const name = `wrshare-${process.pid}`;
const PUBLIC = "203.0.113.9";
/** Greets on 8080 and holds on; takes datagrams to 7000, which it does not answer. */
const SERVER = `require("dgram").createSocket("udp4").on("message",()=>{}).bind(7000);
require("net").createServer((s)=>{s.on("error",()=>{});s.write("hello")}).listen(8080,"0.0.0.0",4096,()=>process.stdout.write("up"))`;

/** What the kernel of the server received in datagrams to ports that were open, those included that its program was too slow for. */
const RECEIVED = `const [names,values]=require("fs").readFileSync("/proc/net/snmp","utf8").split("\\n").filter((l)=>l.startsWith("Udp:")).map((l)=>l.split(" "));const of=(n)=>Number(values[names.indexOf(n)]);console.log(of("InDatagrams")+of("InErrors"))`;

/** Opens connections that the server greets; prints how many were greeted within the time, sooner when all were. */
const greeted = (count: number, ms: number): string =>
  `let g=0;const over=()=>{console.log(g);process.exit()};for(let i=0;i<${count};i++){const s=require("net").connect(8080,"${PUBLIC}");s.on("error",()=>{});s.once("data",()=>++g===${count}&&over())}setTimeout(over,${ms})`;

/** Sends datagrams to ever new ports for a time. */
const spray = (ms: number): string =>
  `const s=require("dgram").createSocket("udp4");let p=0;const end=Date.now()+${ms};s.bind(0,()=>{const go=()=>{if(Date.now()>end)process.exit();for(let n=0;n<20;n++)s.send("x",10000+(p++%50000),"${PUBLIC}");global.setTimeout(go,5)};go()})`;

/** Opens a connection every few milliseconds and ends it once it is greeted; prints how many were, and in how many milliseconds. */
const shortOnes = (count: number, ms: number): string =>
  `let g=0,n=0;const b=performance.now();const t=setInterval(()=>{if(n++>=${count})return clearInterval(t);const s=require("net").connect(8080,"${PUBLIC}");s.on("error",()=>{});s.once("data",()=>{g++;s.resetAndDestroy()});setTimeout(()=>s.destroy(),900)},${ms / count});setTimeout(()=>{console.log(g,performance.now()-b);process.exit()},${ms})`;

/** Asks for as many names at once as one slot may, each from a port of its own. */
const ask = (count: number): string => {
  const question = { name: "good.example", type: "A" as const, class: "IN" as const };
  const query = encode({ type: "query", id: 7, flags: 256, questions: [question] }).toString("base64");
  return `const q=Buffer.from("${query}","base64");let n=0;const t=setInterval(()=>{for(let i=0;i<10;i++){if(n++>=${count})return clearInterval(t);const s=require("dgram").createSocket("udp4");s.on("error",()=>{});s.send(q,53,"169.254.0.22")}},10);setTimeout(()=>process.exit(),${count + 500})`;
};

/** Asks without end, for names that nobody has asked for. */
const flood = (ms: number): string =>
  `const d=require("dns").promises;const r=new d.Resolver({tries:1,timeout:500});r.setServers(["169.254.0.22"]);const end=Date.now()+${ms};let n=0;const go=async()=>{while(Date.now()<end)await r.resolve4("n"+(n++)+".flood.example").catch(()=>{})};Promise.all(Array.from({length:48},go)).then(()=>process.exit())`;

const resolveOnce = `const r=new (require("dns").promises.Resolver)({tries:3,timeout:2000});r.setServers(["169.254.0.22"]);r.resolve4("good.example").then((a)=>console.log(a[0]),(e)=>console.log(e.code))`;

interface Guest {
  readonly slot: Slot;
  readonly namespace: string;
}

describe("shares of the host's table of connections", { skip: needsRoot }, () => {
  const stack = new AsyncDisposableStack();
  const limits = { connections: 40, connectionsPerSecond: 20 };
  /** What the guard of the table sees. */
  const table = { entries: 0, size: 1600 };
  let small: OpenPool;
  let usual: OpenPool;
  let limited: OpenPool;
  let port: string;
  let guests: readonly Guest[];

  before(async () => {
    const stub = stack.use(await startDnsStub({ "good.example": [PUBLIC], "*.flood.example": [PUBLIC] }));
    port = stub.address.split(":")[1] ?? "";
    const resolvers = [stub.address];
    small = stack.use(await openPool({ resolvers, connectionTable: async () => ({ ...table }) }));
    const connectionTable = async (): Promise<{ entries: number; size: number }> => ({
      entries: 0,
      size: 262_144,
    });
    usual = stack.use(await openPool({ resolvers, connectionTable }));
    limited = stack.use(await openPool({ resolvers, connectionTable, limits }));
    stack.use(await openInternet(name, [PUBLIC]));
    stack.use(await serveIn(name, SERVER));
    guests = [];
    for (const pool of [small, small, small, limited, usual]) {
      const slot = await pool.acquire();
      const namespace = `${name}-${guests.length}`;
      stack.use(await attachGuest(slot, namespace));
      guests = [...guests, { slot, namespace }];
    }
    await small.pool.assignTeam(guest(0).slot, "team-one", signal);
    await small.pool.assignTeam(guest(1).slot, "team-one", signal);
    await small.pool.assignTeam(guest(2).slot, "team-two", signal);
  });
  after(() => stack.disposeAsync());

  const guest = (at: number): Guest => guests[at] ?? assert.fail("no such guest");

  /** Entries of the host's table that match. */
  async function entries(...match: readonly string[]): Promise<number> {
    const { stdout } = await tryCommand(["conntrack", "--dump", ...match]);
    return stdout.split("\n").filter(Boolean).length;
  }

  const received = async (): Promise<number> => Number((await runIn(name, RECEIVED)).stdout);

  // What they ask and open has nothing in common.
  describe("of connections and of names", { concurrency: true }, () => {
    describe("of connections", { concurrency: 1 }, () => {
      test("a team that opens connections as fast as it can leaves room for those of another", async () => {
        const began = performance.now();
        const spraying = [0, 1].map((at) => runIn(guest(at).namespace, spray(2000)));
        await setTimeout(700);
        assert.equal((await runIn(guest(2).namespace, greeted(20, 10_000))).stdout.trim(), "20");
        await Promise.all(spraying);
        // A sixty-fourth of the table at once, and per second.
        const share = table.size / 64;
        const allowed = share * (1 + (performance.now() - began) / 1000);
        const [one, two] = await Promise.all(
          [0, 1].map((at) => entries("--orig-src", guest(at).slot.hostAddress)),
        );
        const opened = (one ?? 0) + (two ?? 0);
        assert.ok(opened >= 40 && opened <= allowed + share, `${opened} connections of the team`);
      });

      test("datagrams that nobody answers count as one connection, however many there are", async () => {
        await setTimeout(1500);
        for (const at of [2, 3]) {
          const { slot, namespace } = guest(at);
          const script = `const s=require("dgram").createSocket("udp4");let n=0;s.bind(0,()=>{const start=performance.now();const go=()=>{const due=Math.min(1500,(performance.now()-start)*3);for(;n<due;n++)s.send("x",7000,"${PUBLIC}");n<1500?global.setTimeout(go,5):global.setTimeout(()=>process.exit(),200)};go()})`;
          const before = await received();
          await runIn(namespace, script);
          await eventually(
            `1425 of 1500 arrive from guest ${at}`,
            async () => (await received()) - before >= 1425,
          );
          const match = ["--orig-src", slot.hostAddress, "-p", "udp", "--orig-port-dst", "7000"];
          assert.equal(await entries(...match), 1);
        }
      });

      test("a slot opens so many connections per second, also when it ends each of them", async () => {
        await setTimeout(1000);
        const { stdout } = await runIn(guest(3).namespace, shortOnes(200, 1500));
        const [opened = 0, ms = 0] = stdout.trim().split(" ").map(Number);
        const most = 45 + (limits.connectionsPerSecond * ms) / 1000;
        assert.ok(opened >= 30 && opened <= most, `${opened} connections in ${ms} ms`);
      });
    });

    test("questions for names are no entries of the table, and those to resolvers are for some seconds", async () => {
      const before = await entries("-p", "udp", "--orig-port-dst", port);
      await runIn(guest(4).namespace, ask(400));
      const match = ["--orig-src", guest(4).slot.hostAddress, "-p", "udp", "--orig-port-dst", "15353"];
      assert.equal(await entries(...match), 0);
      const added = async (): Promise<number> =>
        (await entries("-p", "udp", "--orig-port-dst", port)) - before;
      await eventually("200 questions are asked", async () => (await added()) >= 200);
      await eventually("few entries are left", async () => (await added()) < 40, { timeoutMs: 15_000 });
    });
  });

  test("while the table is full and two slots ask without end, another one's names resolve", async () => {
    table.entries = table.size * 0.9;
    try {
      await eventually(
        "capsules open no connections",
        async () => !(await reaches(guest(2).namespace, PUBLIC, 8080)),
      );
      const before = await entries("-p", "udp", "--orig-port-dst", port);
      const flooding = [0, 1].map((at) => runIn(guest(at).namespace, flood(2000)));
      await setTimeout(500);
      for (let n = 0; n < 5; n += 1)
        assert.equal((await runIn(guest(2).namespace, resolveOnce)).stdout.trim(), PUBLIC, `question ${n}`);
      await Promise.all(flooding);
      const added = (await entries("-p", "udp", "--orig-port-dst", port)) - before;
      assert.ok(added <= 300, `${added} entries of questions`);
    } finally {
      table.entries = 0;
    }
    await eventually("it connects again", async () => await reaches(guest(2).namespace, PUBLIC, 8080));
  });

  test("rules that another program removes from the host are back within seconds, with the teams", async () => {
    const { slot, namespace } = guest(2);
    const host = `wrenn_${small.pool.instance.id}`;
    const isThere = async (): Promise<boolean> =>
      (await tryCommand(["nft", "list", "table", "inet", host])).code === 0;
    assert.equal(await reaches(namespace, INTERNET_ROUTER, 8080), false, "a neighbour is closed");
    await runCommand(["nft", "delete", "table", "inet", host]);
    await eventually("the rules are back", isThere, { timeoutMs: 10_000 });
    assert.equal(await reaches(namespace, INTERNET_ROUTER, 8080), false, "it is closed again");
    await eventually("the internet is open", async () => await reaches(namespace, PUBLIC, 8080));
    const held = Number((await runIn(namespace, greeted(200, 3000))).stdout);
    assert.ok(held >= 20 && held < 200, `${held}: the slot counts for its team`);
    await small.pool.assignTeam(slot, "team-three", signal);
  });
});
