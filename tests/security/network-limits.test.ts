import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { openInternet, serveIn } from "../support/network-lab.ts";
import { startTestServer } from "../support/test-server.ts";
import type { TestServer } from "../support/test-server.ts";

/*
 * What a capsule may take of the host's network, from inside of real guests: one on a server with low limits, one on a
 * server with the usual ones, to the same address.
 */

const internet = `wrcap-${process.pid}`;
const PUBLIC = "203.0.113.9";
const LOW = { bytesPerSecond: 2 << 20, burstBytes: 1 << 20, connections: 40 };
const BYTES = 9 << 20;
/** On 9001 it sends for ever, on 9002 it says how many bytes came before the end, on 9003 it greets and holds on. */
const SERVER = `const n=require("net");const b=Buffer.alloc(65536);const q=(s)=>s.on("error",()=>{});
n.createServer((s)=>{q(s);const f=()=>{while(s.writable&&s.write(b));};s.on("drain",f);f()}).listen(9001);
n.createServer({allowHalfOpen:true},(s)=>{q(s);let c=0;s.on("data",(d)=>c+=d.length);s.on("end",()=>s.end(String(c)))}).listen(9002);
n.createServer((s)=>{q(s);s.write("hello")}).listen(9003,"0.0.0.0",4096,()=>process.stdout.write("up"))`;

interface Guest {
  readonly server: TestServer;
  readonly id: string;
}

const stack = new AsyncDisposableStack();
let low: Guest;
let usual: Guest;
before(async () => {
  stack.use(await openInternet(internet, [PUBLIC]));
  stack.use(await serveIn(internet, SERVER));
  const start = async (config: Parameters<typeof startTestServer>[0]): Promise<Guest> => {
    const server = await startTestServer(config);
    stack.defer(() => server.close());
    return { server, id: await server.capsule(undefined) };
  };
  low = await start({ config: { networkLimits: LOW } });
  usual = await start({});
});
after(() => stack.disposeAsync());

/** Runs Python in the guest; what it prints. */
async function inGuest({ server, id }: Guest, script: string): Promise<string> {
  const { body } = await server.exec(id, "python3", ["-c", script]);
  assert.equal(body.exit_code, 0, body.stderr);
  return body.stdout.trim();
}

/** Seconds until so many bytes have come, or have all arrived there. */
async function seconds(guest: Guest, direction: "in" | "out"): Promise<number> {
  const move =
    direction === "in"
      ? `s.connect((${JSON.stringify(PUBLIC)},9001)); n=0
while n<${BYTES}: n+=len(s.recv(1<<16))`
      : `s.connect((${JSON.stringify(PUBLIC)},9002)); s.sendall(b'x'*${BYTES}); s.shutdown(1); assert s.recv(99)==b'${BYTES}'`;
  return Number(
    await inGuest(
      guest,
      `import socket,time\nt=time.monotonic(); s=socket.socket(); ${move}\nprint(time.monotonic()-t)`,
    ),
  );
}

for (const direction of ["in", "out"] as const) {
  test(`bytes ${direction} of a guest pass at the limit that is configured, in another at its own`, async () => {
    const limited = await seconds(low, direction);
    const free = await seconds(usual, direction);
    const ideal = (BYTES - LOW.burstBytes) / LOW.bytesPerSecond;
    assert.ok(limited > ideal * 0.8, `faster than the limit: ${limited} s instead of ${ideal}`);
    assert.ok(limited < ideal * 5, `far below the limit: ${limited} s instead of ${ideal}`);
    assert.ok(free * 3 < limited, `${free} s at the usual limit, ${limited} s at the low one`);
  });
}

/** Opens so many connections in turn, one more after closing one of them; which of them were greeted. */
async function connections(guest: Guest, count: number): Promise<{ held: number; after: boolean }> {
  const answer = await inGuest(
    guest,
    `import socket,json,time
def greeted(wait):
    s=socket.socket(); s.settimeout(wait)
    try: s.connect((${JSON.stringify(PUBLIC)},9003)); return s if s.recv(9)==b'hello' else None
    except OSError: return None
held=[]
while len(held)<${count}:
    s=greeted(2)
    if not s: break
    held.append(s)
n=len(held)
held.pop().close(); time.sleep(0.5)
print(json.dumps({'held':n,'after':greeted(5) is not None}))`,
  );
  return JSON.parse(answer) as { held: number; after: boolean };
}

test("a guest holds so many connections and no more; one that is closed makes room, and others have their own", async () => {
  assert.deepEqual(await connections(low, LOW.connections + 5), { held: LOW.connections, after: true });
  const more = LOW.connections * 3;
  assert.deepEqual(await connections(usual, more), { held: more, after: true });
});
