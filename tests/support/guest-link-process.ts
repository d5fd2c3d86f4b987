import { defined, silentLogger, systemClock, systemRandom, WrennError } from "@wrenn/core";
import { GuestLink } from "@wrenn/guest";
import { seeded } from "./hostile-guest.ts";

/*
 * Uses a guest in every way, in a process whose memory can be watched. Arguments: the sockets of both lanes, a seed. It prints a line of
 * JSON when it is ready, and how its calls ended when it is asked to stop.
 */
const [interactive = "", bulk = "", seed = "1"] = process.argv.slice(2);
const random = seeded(Number(seed));
const outcomes = new Map<string, number>();
let most = 0;
const stopping = new AbortController();
const never = new AbortController();

function open(): GuestLink {
  return GuestLink.open({
    interactive,
    bulk,
    clock: systemClock,
    logger: silentLogger,
    random: systemRandom,
  });
}

let link = open();

function count(outcome: string): void {
  outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
  most = Math.max(most, link.bufferedBytes);
}

async function take(bytes: AsyncIterable<unknown>, stalls: boolean, signal: AbortSignal): Promise<void> {
  for await (const piece of bytes) if (piece && stalls) await systemClock.sleep(200, signal);
}

async function content(): Promise<Uint8Array> {
  return Buffer.alloc(random(100_000));
}

/** One call of a user, which may read slowly and may leave. */
async function call(signal: AbortSignal): Promise<void> {
  const stalls = random(2) === 0;
  const kind = random(9);
  if (kind === 0) await link.files.stat("/x", { signal });
  else if (kind === 1) await link.files.list("/x", 3, { signal });
  else if (kind === 2) await take((await link.files.read("/x", { signal })).bytes, stalls, signal);
  else if (kind === 3) await take(await link.files.watch("/x", { recursive: true, signal }), stalls, signal);
  else if (kind === 4) await take(await link.files.archive("/x", { signal }), stalls, signal);
  else if (kind === 5)
    await link.files.write(
      "/x",
      (async function* () {
        for (let n = 0; n < 30; n++) yield await content();
      })(),
      { signal },
    );
  else if (kind === 6) await link.listeners(signal);
  else {
    const terminal = random(3) === 0 ? { cols: 80, rows: 24 } : undefined;
    const started = await link.processes.start(
      {
        cmd: "x",
        args: ["y".repeat(random(500_000))],
        envs: {},
        stdin: true,
        output: random(2) === 0 ? "attached" : "detached",
        ...defined({ terminal }),
      },
      signal,
    );
    if (random(2) === 0) await started.write(await content(), signal);
    await take(started.output("oldest", signal), stalls, signal);
  }
}

async function user(): Promise<void> {
  while (!stopping.signal.aborted) {
    const used = link;
    const signal = AbortSignal.any([stopping.signal, AbortSignal.timeout(1 + random(400))]);
    try {
      await call(signal);
      count("answered");
    } catch (error) {
      const isOver = WrennError.is(error, "guest_protocol") && (await isGivenUp(used));
      if (signal.aborted && error === signal.reason) count("left");
      else count(error instanceof WrennError ? error.reason : String(error));
      // A new capsule takes the place of one whose guest broke the protocol.
      if (isOver && used === link) await replace();
    }
    await systemClock.sleep(1, never.signal);
  }
}

async function isGivenUp(used: GuestLink): Promise<boolean> {
  return await used.info(AbortSignal.timeout(100)).then(
    () => false,
    (error: unknown) => WrennError.is(error, "guest_protocol"),
  );
}

async function replace(): Promise<void> {
  const given = link;
  link = open();
  count("given up");
  await given.detach();
}

process.once("SIGTERM", () => {
  stopping.abort(new Error("the test is over"));
  void Promise.all(users).then(async () => {
    await link.detach();
    process.stdout.write(`${JSON.stringify({ outcomes: Object.fromEntries(outcomes), most })}\n`, () =>
      process.exit(0),
    );
  });
});
const users = Array.from({ length: 24 }, user);
process.stdout.write(`${JSON.stringify({ ready: true })}\n`);
