import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Slot } from "@wrenn/network";
import { attachGuest, needsRoot, openInternet, openPool, runIn, serveIn } from "../support/network-lab.ts";

const name = `wrlimit-${process.pid}`;
const LIMITS = { bytesPerSecond: 10_000_000, burstBytes: 4_000_000, connections: 50 };
/** On 9001 it sends for ever, on 9002 it says how many bytes came before the end, on 9003 it greets and holds on. */
const SERVER = `const n=require("net");const b=Buffer.alloc(65536);const q=(s)=>s.on("error",()=>{});
n.createServer((s)=>{q(s);const f=()=>{while(s.writable&&s.write(b));};s.on("drain",f);f()}).listen(9001);
n.createServer({allowHalfOpen:true},(s)=>{q(s);let c=0;s.on("data",(d)=>c+=d.length);s.on("end",()=>s.end(String(c)))}).listen(9002);
n.createServer((s)=>{q(s);s.write("hello")}).listen(9003,"0.0.0.0",4096,()=>process.stdout.write("up"))`;

describe("limits of a slot", { skip: needsRoot }, () => {
  const limited = `${name}-l`;
  const free = `${name}-f`;
  const stack = new AsyncDisposableStack();

  before(async () => {
    const attach = async (acquire: () => Promise<Slot>, guest: string): Promise<void> => {
      stack.use(await attachGuest(await acquire(), guest));
    };
    await attach(stack.use(await openPool({ limits: LIMITS })).acquire, limited);
    await attach(stack.use(await openPool()).acquire, free);
    stack.use(await openInternet(name, ["203.0.113.9"]));
    stack.use(await serveIn(name, SERVER));
  });
  after(() => stack.disposeAsync());

  /** Milliseconds until this many bytes have come, or have arrived there. */
  async function transfer(guest: string, direction: "in" | "out", bytes: number): Promise<number> {
    const script =
      direction === "in"
        ? `const t=performance.now();let c=0;require("net").connect(9001,"203.0.113.9").on("data",(d)=>{c+=d.length;if(c>=${bytes}){console.log(performance.now()-t);process.exit()}})`
        : `const t=performance.now();const s=require("net").connect(9002,"203.0.113.9");s.end(Buffer.alloc(${bytes}));s.on("data",()=>{console.log(performance.now()-t);process.exit()})`;
    const { stdout } = await runIn(guest, script);
    return Number(stdout);
  }

  for (const direction of ["in", "out"] as const) {
    test(`bytes ${direction} pass at the limit after the burst, and freely where the limit is far away`, async () => {
      // A quiet second fills the bucket; the burst then takes less than half the time that the rate would.
      await new Promise((resolve) => setTimeout(resolve, 1000));
      const burst = await transfer(limited, direction, LIMITS.burstBytes / 2);
      const expected = LIMITS.burstBytes / 2 / (LIMITS.bytesPerSecond / 1000);
      assert.ok(burst < expected / 2, `burst took ${burst} ms of ${expected}`);
      const bytes = 24_000_000;
      const elapsed = await transfer(limited, direction, bytes);
      const ideal = (bytes - LIMITS.burstBytes) / (LIMITS.bytesPerSecond / 1000);
      assert.ok(elapsed > ideal * 0.8, `faster than the limit: ${elapsed} ms instead of ${ideal}`);
      assert.ok(elapsed < ideal * 2, `far below the limit: ${elapsed} ms instead of ${ideal}`);
      const freely = await transfer(free, direction, bytes);
      assert.ok(freely * 3 < elapsed, `${freely} ms without a near limit, ${elapsed} with`);
    });
  }

  /** How many of so many connections, opened together and held, are greeted. */
  async function greeted(guest: string, count: number): Promise<number> {
    const script = `let g=0;for(let i=0;i<${count};i++){const s=require("net").connect(9003,"203.0.113.9");s.on("error",()=>{});s.once("data",()=>g++)}setTimeout(()=>{console.log(g);process.exit()},1500)`;
    return Number((await runIn(guest, script)).stdout);
  }

  test("a slot holds so many connections and no more, others are not affected, and closed ones make room", async () => {
    assert.equal(await greeted(limited, 80), LIMITS.connections);
    assert.equal(await greeted(free, 80), 80);
    assert.equal(await greeted(limited, 30), 30);
  });
});
