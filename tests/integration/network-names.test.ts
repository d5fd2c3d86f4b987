import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { after, before, describe, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { clientHelloOf, eventually } from "@wrenn/core/testing";
import type { NetworkPolicy, Slot } from "@wrenn/network";
import { runCommand, tryCommand } from "@wrenn/system";
import { startDnsStub } from "../support/dns-stub.ts";
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
const name = `wrname-${process.pid}`;
const guest = `${name}-g`;
/** Says on 443 which address was dialled and how many bytes came first. */
const TLS_PORT_SERVER = `require("net").createServer((s)=>{s.on("error",()=>{});s.on("data",(d)=>s.write(s.localAddress+" "+d.length+"\\n"))}).listen(443,"0.0.0.0",()=>process.stdout.write("up"))`;

const ECHO_SERVER = `require("net").createServer((s)=>{s.on("error",()=>{});s.pipe(s)}).listen(9090,()=>process.stdout.write("up"))`;

/** What the guest's resolver says: addresses, or an error code. */
async function lookUp(host: string, timeoutMs = 4000): Promise<string> {
  const script = `const r=new (require("dns").promises.Resolver)({tries:1,timeout:${timeoutMs}});r.setServers(["169.254.0.22"]);r.resolve4(${JSON.stringify(host)}).then((a)=>console.log(a.join(",")),(e)=>console.log(e.code))`;
  return (await runIn(guest, script)).stdout.trim();
}

/** Sends a real ClientHello to port 443 of an address; gives the server's answer, or what became of the connection. */
async function tls(address: string, hello: Buffer): Promise<string> {
  const script = `const s=require("net").connect(443,${JSON.stringify(address)},()=>s.write(Buffer.from("${hello.toString("base64")}","base64")));const say=(t)=>{console.log(t);process.exit()};s.on("data",(d)=>say(d.toString()));s.on("end",()=>say("end"));s.on("error",(e)=>say(e.code));setTimeout(()=>say("timeout"),3000)`;
  return (await runIn(guest, script)).stdout.trim();
}

describe("egress by name", { skip: needsRoot }, () => {
  let opened: OpenPool;
  let slot: Slot;
  let stub: Awaited<ReturnType<typeof startDnsStub>>;
  let good: Buffer;
  let evil: Buffer;
  const stack = new AsyncDisposableStack();
  const set = (policy: Partial<NetworkPolicy>) =>
    opened.pool.applyPolicy(slot, { egress: "deny", allow: [], deny: [], ...policy }, signal);

  before(async () => {
    stub = stack.use(
      await startDnsStub({
        "good.example": ["203.0.113.9"],
        "*.sub.example": ["203.0.113.9"],
        "evil.example": ["203.0.113.10"],
        "inside.example": ["10.0.0.5", "127.0.0.1"],
        "many.example": Array.from({ length: 60 }, (_, n) => `203.0.113.${n + 100}`),
      }),
    );
    opened = stack.use(await openPool({ resolvers: [stub.address] }));
    slot = await opened.acquire();
    stack.use(await attachGuest(slot, guest));
    stack.use(await openInternet(name, ["203.0.113.9", "203.0.113.10"]));
    stack.use(await serveIn(name, HELLO_SERVER));
    stack.use(await serveIn(name, TLS_PORT_SERVER));
    stack.use(await serveIn(name, ECHO_SERVER));
    good = await clientHelloOf("good.example");
    evil = await clientHelloOf("evil.example");
  });
  after(() => stack.disposeAsync());

  test("by default names resolve, and connections go where they were opened to", async () => {
    assert.equal(await lookUp("good.example"), "203.0.113.9");
    assert.equal(await lookUp("nowhere.example"), "ENOTFOUND");
    assert.match(await tls("203.0.113.10", good), /^203\.0\.113\.10 /);
  });

  test("names of the host's own networks tell a guest nothing", async () => {
    assert.equal(await lookUp("inside.example"), "ENODATA");
  });

  test("an allowed name opens its address once it was asked for, and no other", async () => {
    await set({ allow: ["good.example", "*.sub.example"] });
    assert.equal(await reaches(guest, "203.0.113.9", 8080), false, "not asked yet");
    assert.equal(await lookUp("good.example"), "203.0.113.9");
    assert.equal(await reaches(guest, "203.0.113.9", 8080), true, "asked");
    assert.equal(await reaches(guest, "203.0.113.10", 8080), false, "another address");
    assert.equal(await lookUp("a.b.sub.example"), "ENOTFOUND", "allowed, but the stub knows one label only");
    assert.equal(await lookUp("a.sub.example"), "203.0.113.9", "wildcard");
    const before = stub.asked.length;
    assert.equal(await lookUp("evil.example"), "EREFUSED");
    assert.equal(stub.asked.length, before, "nobody is asked for a denied name");
  });

  test("on port 443 the server name has to be an allowed one, and leads", async () => {
    await set({ allow: ["good.example"] });
    await lookUp("good.example");
    assert.match(await tls("203.0.113.9", good), /^203\.0\.113\.9 \d+$/);
    assert.equal(await tls("203.0.113.9", evil), "ECONNRESET", "another name at an allowed address");
    assert.equal(await tls("203.0.113.9", await clientHelloOf(undefined)), "ECONNRESET", "no name");
    assert.equal(await tls("203.0.113.9", Buffer.from("GET / HTTP/1.1\r\n\r\n")), "ECONNRESET", "not TLS");
    assert.equal(await tls("203.0.113.10", good), "EHOSTUNREACH", "an allowed name at another address");
  });

  test("a policy that denies a name denies it in TLS too, whatever address was dialled", async () => {
    await set({ egress: "allow", deny: ["evil.example"] });
    assert.equal(await lookUp("evil.example"), "EREFUSED");
    assert.equal(await tls("203.0.113.10", evil), "ECONNRESET");
    assert.match(await tls("203.0.113.10", good), /^203\.0\.113\.9 /, "led by its name");
    assert.equal(await reaches(guest, "203.0.113.10", 8080), true, "other ports follow egress");
  });

  test("a network rule needs no name, and deny beats it for names as well", async () => {
    await set({ allow: ["203.0.113.10/32"] });
    assert.match(await tls("203.0.113.10", Buffer.from("anything")), /^203\.0\.113\.10 8$/);
    await set({ allow: ["good.example"], deny: ["203.0.113.8/31"] });
    await lookUp("good.example");
    assert.equal(await reaches(guest, "203.0.113.9", 8080), false);
    assert.equal(await tls("203.0.113.9", good), "EHOSTUNREACH");
  });

  test("a new policy ends connections that it forbids, and those of a name go on while it is allowed", async () => {
    await set({ allow: ["good.example"] });
    await lookUp("good.example");
    const script = `const n=require("net");const h=Buffer.from("${good.toString("base64")}","base64");const s=n.connect(443,"203.0.113.9",()=>s.write(h));let c=0;s.on("data",()=>{process.stdout.write("+");setTimeout(()=>s.write("x"),50)});for(const e of ["error","end"])s.on(e,()=>{process.stdout.write("!");process.exit()});setTimeout(()=>process.exit(),8000)`;
    const running = runIn(guest, script);
    await setTimeout(1000);
    await set({ allow: ["other.example"] });
    const { stdout } = await running;
    assert.match(stdout, /^\+{3,}!$/);
  });

  test("a connection goes on when its name's address expires; a new one has to ask again", async () => {
    await set({ allow: ["good.example"] });
    await lookUp("good.example");
    const script = `const s=require("net").connect(9090,"203.0.113.9",()=>s.write("a"));let n=0;s.on("data",()=>{if(++n>25){console.log("done");process.exit()}setTimeout(()=>s.write("a"),50)});s.on("error",(e)=>{console.log(e.code);process.exit()});setTimeout(()=>process.exit(),8000)`;
    const running = runIn(guest, script);
    await setTimeout(500);
    const flush = ["nft", "flush", "set", "inet", "wrenn", "named4"] as const;
    await runCommand(["nsenter", `--net=${slot.namespace}`, ...flush]);
    assert.equal(await reaches(guest, "203.0.113.9", 8080), false, "as after its time");
    assert.equal((await running).stdout.trim(), "done");
  });

  test("decisions name what was asked for, the rule, and how often", async () => {
    await set({ allow: ["good.example"] });
    await lookUp("good.example");
    await lookUp("good.example");
    await lookUp("evil.example");
    await tls("203.0.113.9", evil);
    const decisions = await opened.pool.decisions(slot, signal);
    const find = (kind: string, subject: string, verdict: string) =>
      decisions.filter((d) => d.kind === kind && d.subject === subject && d.verdict === verdict);
    assert.ok(
      (find("name", "good.example", "allowed").find((d) => d.reason === "allow good.example")?.count ?? 0) >=
        2,
    );
    assert.equal(find("name", "evil.example", "denied").at(-1)?.reason, "egress deny");
    assert.ok(find("server_name", "evil.example", "denied").length > 0);
    assert.ok(find("destination", "tcp 203.0.113.9:8080", "denied").length > 0);
  });

  test("answers that are too long for a packet come over TCP", async () => {
    await set({ allow: ["many.example"] });
    assert.equal((await lookUp("many.example")).split(",").length, 60);
  });

  test("the next pool takes over the policy of a slot, for addresses and for names", async () => {
    await set({ allow: ["good.example", "203.0.113.10"] });
    [slot = slot] = await opened.reopen();
    assert.equal(await reaches(guest, "203.0.113.10", 8080), true);
    assert.equal(await reaches(guest, "203.0.113.9", 8080), false);
    assert.equal(await lookUp("evil.example"), "EREFUSED");
    assert.equal(await lookUp("good.example"), "203.0.113.9");
    assert.equal(await reaches(guest, "203.0.113.9", 8080), true);
  });

  test("the gateway is nobody, and its user reaches port 443 of public addresses and nothing else", async () => {
    const { stdout: pid } = await runCommand([
      "pgrep",
      "-P",
      String(process.pid),
      "-f",
      "gateway-process.ts",
    ]);
    const status = await readFile(`/proc/${pid.trim()}/status`, "utf8");
    const uid = Number(/^Uid:\s+(\d+)/m.exec(status)?.[1]);
    assert.ok(uid > 300_000, `uid ${uid}`);
    assert.match(status, new RegExp(`^Uid:\\s+${uid}\\s+${uid}\\s+${uid}\\s+${uid}$`, "m"));
    assert.match(status, /^CapEff:\s+0+$/m);
    assert.match(status, /^CapPrm:\s+0+$/m);
    const local = createServer((socket) => socket.on("error", () => {}).end("local"));
    await new Promise<void>((resolve) => local.listen(0, "0.0.0.0", resolve));
    const { port } = local.address() as AddressInfo;
    /** Whether curl gets a connection as this user; what is said on it does not matter. */
    const connects = async (user: number, to: string): Promise<boolean> => {
      const { code } = await tryCommand(["curl", "-s", "--max-time", "1", `telnet://${to}`], {
        uid: user,
        gid: user,
        env: { PATH: process.env["PATH"] ?? "" },
      });
      // The servers end the connection at once, which is 0; a refused or silent one is not.
      return code === 0;
    };
    try {
      const targets = [`127.0.0.1:${port}`, `203.0.113.1:${port}`, "203.0.113.9:8080"];
      const asRoot = await Promise.all(targets.map((to) => connects(0, to)));
      const asGateway = await Promise.all(targets.map((to) => connects(uid, to)));
      assert.deepEqual([asRoot, asGateway], [targets.map(() => true), targets.map(() => false)]);
    } finally {
      local.close();
    }
  });

  test("the gateway reads its program and nothing else, writes nothing and starts no programs", async () => {
    const { stdout: pid } = await runCommand([
      "pgrep",
      "-P",
      String(process.pid),
      "-f",
      "gateway-process.ts",
    ]);
    const argv = (await readFile(`/proc/${pid.trim()}/cmdline`, "utf8")).split("\0");
    const flags = argv.filter((argument) => /^--(permission|allow-)/.test(argument));
    assert.ok(flags.includes("--permission"), argv.join(" "));
    const attempts = [
      `require("fs").readFileSync("/etc/passwd")`,
      `require("fs").readdirSync("/")`,
      `require("fs").readFileSync("/proc/self/environ")`,
      `require("fs").readFileSync(${JSON.stringify(fileURLToPath(import.meta.url))})`,
      `require("fs").writeFileSync("/tmp/${name}", "")`,
      `require("child_process").spawnSync("true")`,
      `new (require("worker_threads").Worker)("0", { eval: true })`,
    ];
    for (const attempt of attempts) {
      const { code, stderr } = await tryCommand([process.execPath, ...flags, "-e", attempt]);
      assert.deepEqual([code, /ERR_ACCESS_DENIED/.test(stderr)], [1, true], attempt + stderr);
    }
  });

  test("without its gateway a capsule has no names, and with the next one it has", async () => {
    const { stdout } = await runCommand(["pgrep", "-P", String(process.pid), "-f", "gateway-process.ts"]);
    process.kill(Number(stdout.trim()), "SIGKILL");
    await set({ allow: ["good.example"] });
    await eventually("it has names", async () => (await lookUp("good.example", 500)) === "203.0.113.9");
    assert.match(await tls("203.0.113.9", good), /^203\.0\.113\.9 /);
  });
});
