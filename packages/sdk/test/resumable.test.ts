import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import { WrennError } from "../src/errors/wrenn-error.ts";
import { sleep } from "../src/transport/abort.ts";
import { resume } from "../src/transport/resumable.ts";
import type { ResumableStream } from "../src/transport/resumable.ts";

const broken = (): WrennError => new WrennError({ code: "connection_lost", message: "it broke" });

/** A stream whose n-th connection is the n-th script; the last one is repeated. */
function scripted(
  connections: readonly ((signal: AbortSignal) => AsyncIterable<number | undefined>)[],
  options: Partial<ResumableStream<number>> = {},
): { readonly stream: ResumableStream<number>; readonly opened: () => number } {
  let opened = 0;
  const stream: ResumableStream<number> = {
    what: "the numbers",
    path: "/v1/numbers",
    settings: { silenceMs: 1000, resumeMs: 1000, onRetry: undefined },
    open: (signal) => {
      const script = connections[Math.min(opened, connections.length - 1)];
      opened++;
      assert.ok(script);
      return script(signal);
    },
    ...options,
  };
  return { stream, opened: () => opened };
}

async function* breakAfter(...items: (number | undefined)[]): AsyncGenerator<number | undefined> {
  yield* items;
  throw broken();
}

async function* endAfter(...items: (number | undefined)[]): AsyncGenerator<number | undefined> {
  yield* items;
}

async function* hangAfter(
  signal: AbortSignal,
  ...items: (number | undefined)[]
): AsyncGenerator<number | undefined> {
  yield* items;
  await new Promise((_resolve, reject) =>
    signal.addEventListener("abort", () => reject(signal.reason as Error)),
  );
}

test("a stream goes on over broken connections, and each repetition is visible", async () => {
  const notices: string[] = [];
  const { stream } = scripted(
    [() => breakAfter(undefined, 1, 2), () => breakAfter(), () => endAfter(undefined, 3)],
    {
      settings: {
        silenceMs: 1000,
        resumeMs: 2000,
        onRetry: ({ method, path, attempt, error }) =>
          notices.push(`${method} ${path} ${attempt} ${error.code}`),
      },
    },
  );
  assert.deepEqual(await Array.fromAsync(resume(stream)), [1, 2, 3]);
  assert.deepEqual(notices, ["GET /v1/numbers 1 connection_lost", "GET /v1/numbers 2 connection_lost"]);
});

test("a stream that cannot be opened fails with its own error, unless it is known to exist", async () => {
  const unopened = scripted([() => breakAfter()]);
  await assert.rejects(Array.fromAsync(resume(unopened.stream)), { code: "connection_lost" });
  assert.equal(unopened.opened(), 1);
  const known = scripted([() => breakAfter(), () => endAfter(1)], { hasBegun: true });
  assert.deepEqual(await Array.fromAsync(resume(known.stream)), [1]);
});

test("errors that are not retryable end a stream at once", async () => {
  const refusal = new WrennError({ code: "process_not_found", status: 404, message: "no process" });
  const { stream, opened } = scripted([
    () => breakAfter(1),
    async function* () {
      yield undefined;
      throw refusal;
    },
  ]);
  await assert.rejects(Array.fromAsync(resume(stream)), refusal);
  assert.equal(opened(), 2);
});

test("silence counts as a break, and a consumer that takes its time does not", async () => {
  const settings = { silenceMs: 60, resumeMs: 1000, onRetry: undefined };
  const { stream, opened } = scripted(
    [
      (signal) => hangAfter(signal, 1),
      async function* (signal) {
        for (let n = 0; n < 5; n++) {
          await sleep(30, signal);
          yield undefined;
        }
        yield 2;
        yield 3;
      },
    ],
    { settings },
  );
  const items: number[] = [];
  for await (const item of resume(stream)) {
    items.push(item);
    if (item === 2) await sleep(100);
  }
  assert.deepEqual(items, [1, 2, 3]);
  assert.equal(opened(), 2);
});

test("connections without progress are given up: refused, flapping, and silent ones", async () => {
  const settings = { silenceMs: 40, resumeMs: 150, onRetry: undefined };
  for (const useless of [
    () => breakAfter(),
    () => breakAfter(undefined),
    (signal: AbortSignal) => hangAfter(signal, undefined),
  ]) {
    const { stream, opened } = scripted([() => breakAfter(1), useless], { settings });
    const begun = performance.now();
    await assert.rejects(Array.fromAsync(resume(stream)), {
      code: "stream_lost",
      message: /the numbers broke off and could not be resumed for 150 ms/,
      isRetryable: false,
    });
    assert.ok(opened() >= 2);
    const ms = performance.now() - begun;
    assert.ok(ms >= 149 && ms < 1500, `gave up after ${ms} ms`);
  }
});

test("connections that are cut again and again make progress as long as they live a while", async () => {
  const settings = { silenceMs: 2000, resumeMs: 300, onRetry: undefined };
  const cut = async function* (): AsyncGenerator<undefined> {
    yield undefined;
    await sleep(1050);
    throw broken();
  };
  const { stream, opened } = scripted([() => breakAfter(1), cut, cut, () => endAfter(2)], { settings });
  assert.deepEqual(await Array.fromAsync(resume(stream)), [1, 2]);
  assert.equal(opened(), 4);
});

test("an abort rejects with its reason and leaves no listener: while awaiting, between connections", async () => {
  const reason = new Error("enough");
  for (const connection of [
    (signal: AbortSignal) => hangAfter(signal, undefined),
    () => breakAfter(undefined),
  ]) {
    const controller = new AbortController();
    const { stream } = scripted([() => breakAfter(1), connection], { signal: controller.signal });
    setTimeout(() => controller.abort(reason), 50);
    await assert.rejects(Array.fromAsync(resume(stream)), reason);
    assert.equal(getEventListeners(controller.signal, "abort").length, 0);
  }
});

test("leaving the loop closes the connection and leaves no listener", async () => {
  const controller = new AbortController();
  let isClosed = false;
  const { stream } = scripted(
    [
      async function* () {
        try {
          yield 1;
          yield 2;
        } finally {
          isClosed = true;
        }
      },
    ],
    { signal: controller.signal },
  );
  for await (const item of resume(stream)) {
    assert.equal(item, 1);
    break;
  }
  assert.equal(isClosed, true);
  assert.equal(getEventListeners(controller.signal, "abort").length, 0);
});
