import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { ServerProcess } from "../support/server-process.ts";
import { WaitingMachines } from "../support/waiting-machines.ts";

/* A capsule that begins in a machine which waited has nothing of the warm-up: field by field it is like one that began cold. */

let server: ServerProcess;
let machines: WaitingMachines;
before(async () => {
  process.env["WRENN_WARM_MACHINES"] = "1";
  server = await ServerProcess.start();
  machines = new WaitingMachines(server);
});
after(() => server.close());

const PROBE_SEC = 240;

type Facts = Readonly<Record<string, readonly string[]>>;

interface Allowed {
  /** Lines of a fact that differ. */
  readonly lines: RegExp;
  readonly why: string;
}

/** All that may differ between two capsules, by fact. */
const allowed: Readonly<Record<string, readonly Allowed[]>> = {
  "machine id": [{ lines: /^[0-9a-f]{32}$/, why: "each capsule has its own" }],
  "random number": [{ lines: /^[0-9a-f]{32}$/, why: "each capsule has its own randomness" }],
  "settings of the kernel": [
    { lines: /^\/proc\/sys\/kernel\/random\//, why: "each capsule has its own randomness" },
    {
      lines: /^\/proc\/sys\/kernel\/ns_last_pid/,
      why: "the two shells of the warm-up had process ids; ids are never promised",
    },
    {
      lines: /^\/proc\/sys\/fs\/(dentry-state|inode-nr|inode-state|file-nr)/,
      why: "sizes of caches of the kernel",
    },
  ],
  groups: [
    { lines: /\/(cpu\.stat|io\.stat|[a-z]+\.pressure|cgroup\.stat) /, why: "time and load so far" },
    {
      lines: /\/(memory|pids)\.(stat|numa_stat|current|peak) /,
      why: "the present use, which includes caches of the kernel",
    },
    { lines: /\/cgroup\.(procs|threads) /, why: "the process id of the program that looks" },
  ],
  traffic: [
    {
      lines: /^\/proc\/net\/(dev +eth0|snmp6 I(p|cmp)6Out)/,
      why: "the kernel solicits routers until it gives up, by its own time",
    },
    {
      lines: /^\/proc\/net\/sockstat sockets: used/,
      why: "closed sockets count until the kernel frees them, in its own time",
    },
  ],
  "log of the kernel": [{ lines: /^(hrtimer: interrupt took|clocksource:|rcu:|sched:)/, why: "a slow host" }],
};

/** Files that the hand-over writes: their times are those of the hand-over. */
const written = [
  "/etc/hostname",
  "/etc/hosts",
  "/etc/machine-id",
  "/run",
  "/run/e2b",
  "/run/e2b/.E2B_SANDBOX",
  "/run/e2b/.E2B_SANDBOX_ID",
  "/run/e2b/.E2B_TEMPLATE_ID",
  "/run/wrenn",
  "/run/wrenn/generation",
];
const TIMES = / modified (\d+) changed (\d+)$/;

interface Described {
  readonly id: string;
  readonly startedAt: number;
  readonly facts: Facts;
}

async function describe(create: () => Promise<string>): Promise<Described> {
  const startedAt = Date.now();
  const id = await create();
  const script = await readFile(join(import.meta.dirname, "../support/guest/describe-machine.py"), "utf8");
  const { body } = await server.api.exec(id, "python3", ["-c", script], { timeout_sec: PROBE_SEC });
  assert.equal(body.exit_code, 0, body.stderr);
  // The name is compared, too: it stands for itself.
  return { id, startedAt, facts: JSON.parse(body.stdout.replaceAll(id, "ID")) as Facts };
}

/** The lines that are compared. Times of what the hand-over wrote are checked instead. */
function comparedLines(fact: string, { facts, startedAt }: Described): readonly string[] {
  const lines = facts[fact] ?? assert.fail(fact);
  const rules = allowed[fact] ?? [];
  return lines
    .filter((line) => !rules.some((rule) => rule.lines.test(line)))
    .map((line) => {
      if (fact !== "files" || !written.some((path) => line.startsWith(`${path} `))) return line;
      const [, ...times] = TIMES.exec(line) ?? [];
      assert.equal(times.length, 2, line);
      for (const time of times)
        assert.ok(Number(time) / 1e6 > startedAt - 1000, `${line}: it was written before the hand-over`);
      return line.replace(TIMES, "");
    });
}

test("a capsule of a machine that waited differs from a fresh one in nothing but a short list", async (t) => {
  const fresh = await describe(() => server.api.capsule(undefined, { memory_mb: 256 }));
  assert.equal(await machines.directoryOf(fresh.id), fresh.id, "the first one is made cold");
  const waited = await describe(() => machines.take());
  assert.deepEqual(Object.keys(waited.facts), Object.keys(fresh.facts));
  for (const fact of Object.keys(fresh.facts)) {
    const [one, other] = [comparedLines(fact, fresh), comparedLines(fact, waited)];
    await t.test(fact, () => {
      assert.ok(one.length > 0 || allowed[fact], "there is something to compare");
      const differences = {
        onlyFresh: one.filter((line) => !other.includes(line)),
        onlyWaited: other.filter((line) => !one.includes(line)),
      };
      assert.deepEqual(differences, { onlyFresh: [], onlyWaited: [] });
    });
  }
  for (const fact of ["machine id", "random number"])
    assert.notDeepEqual(waited.facts[fact], fresh.facts[fact], fact);
  for (const [fact, lines] of Object.entries(waited.facts))
    for (const line of lines) assert.doesNotMatch(line, /template-x|^0{32}$/, fact);

  await t.test("what the API shows", async () => {
    const [one, other] = [await shown(fresh.id), await shown(waited.id)];
    assert.deepEqual(other, one);
  });
});

/** What the API shows of a capsule, without what names it or is a time. */
async function shown(id: string): Promise<unknown> {
  const read = async <T>(path: string): Promise<T> =>
    (await server.api.call<T>("GET", `/v1/capsules/${id}${path}`)).body;
  const capsule = await read<Record<string, unknown>>("");
  const { processes } = await read<{ processes: unknown[] }>("/processes");
  const log = await read<{ entries: { source: string; message: string }[] }>("/logs");
  return {
    fields: Object.keys(capsule).toSorted(),
    sizes: [capsule["vcpus"], capsule["memory_mb"], capsule["disk_mb"], capsule["status"]],
    processes,
    log: log.entries.map(({ source, message }) => `${source}: ${message.replaceAll(id, "ID")}`),
  };
}
