import assert from "node:assert/strict";
import { test } from "node:test";
import { measurePeers, renderPeerReport } from "@wrenn/bench";
import type { Peer, PeerMachine, PeerResult } from "@wrenn/bench";
import { comparePeers, unavailableMeasures } from "../src/peers/compare-peers.ts";
import { facts } from "./support/recorded.ts";

const signal = new AbortController().signal;

/** A peer whose machines take so many milliseconds for everything. */
function fakePeer(name: string, ms: number, changes: Partial<Peer & PeerMachine> = {}): Peer {
  const machine: PeerMachine = {
    exec: async () => ms,
    upload: async () => ms,
    download: async () => ms,
    pauseAndResume: async () => ms,
    memoryMiB: async () => ms,
    end: async () => {},
    ...changes,
  };
  return {
    name,
    isolates: "nothing",
    needs: [],
    lacks: {},
    open: async () => ({ start: async () => ({ ms, machine }), dispose: async () => {} }),
    ...changes,
  };
}

const recorded = (
  name: string,
  samples: PeerResult["samples"],
  changes: Partial<PeerResult> = {},
): PeerResult => ({
  name,
  isolates: `what ${name} isolates`,
  isWrenn: name.startsWith("Wrenn"),
  samples,
  unavailable: {},
  ...changes,
});

const twelve = (middle: number, spread: number): number[] =>
  Array.from({ length: 12 }, (_, index) => middle + ((index % 3) - 1) * spread);

test("ratios are those of Wrenn to each peer in the same round, judged where a ratio is asked", () => {
  const bridge = "podman, bridge (runc)";
  const compared = comparePeers([
    recorded("Wrenn, no machine waiting", {
      firstOutput: twelve(200, 1),
      upload: twelve(160, 40),
      exec: [1, 2],
    }),
    recorded(bridge, { firstOutput: twelve(500, 1), upload: twelve(100, 0), exec: [4, 4] }),
    recorded("bwrap", { firstOutput: twelve(20, 1) }),
  ]);
  assert.deepEqual(
    compared.map(({ measure, rounds, beside }) => [measure, rounds, beside?.peer, beside?.verdict]),
    [
      ["firstOutput", 12, bridge, "met"],
      ["firstOutput", 12, "bwrap", undefined],
      ["exec", 2, bridge, undefined],
      ["upload", 12, bridge, "not decided, too much noise"],
    ],
  );
  const [first, second, few] = compared;
  assert.ok(Math.abs((first?.beside?.ratio ?? 0) - 0.4) < 0.01);
  assert.ok(Math.abs((second?.beside?.ratio ?? 0) - 10) < 1);
  const [low, high] = first?.beside?.interval ?? [0, 0];
  assert.ok(low <= 0.4 && high >= 0.4 && high < 0.41);
  assert.equal(few?.beside?.interval, undefined);
});

test("a measure that failed is not compared, and one that only Wrenn has is shown alone", () => {
  const results = [
    recorded("Wrenn", { exec: twelve(1, 0), pauseAndResume: twelve(300, 1) }),
    recorded(
      "podman",
      { exec: twelve(1, 0) },
      { unavailable: { exec: "it broke", pauseAndResume: "no criu" } },
    ),
    recorded("runsc", {}, { unavailable: { exec: "no way in", upload: "no way in" } }),
  ];
  assert.deepEqual(
    comparePeers(results).map(({ measure, beside }) => [measure, beside]),
    [
      ["exec", undefined],
      ["pauseAndResume", undefined],
    ],
  );
  assert.deepEqual(unavailableMeasures(results), [
    { peer: "podman", measures: ["exec"], reason: "it broke" },
    { peer: "podman", measures: ["pauseAndResume"], reason: "no criu" },
    { peer: "runsc", measures: ["exec", "upload"], reason: "no way in" },
  ]);
  const report = renderPeerReport(facts, results);
  assert.match(report, /^pause to disk and back → output +ms +12 +Wrenn +300 +– /m);
  assert.ok(report.includes("podman: what podman isolates\n"));
  assert.ok(
    report.includes(
      "runsc (command in a running machine → output; 64 MiB into the machine): not available: no way in\n",
    ),
  );
});

test("noise around the same time is not resolved, and neither are too few rounds", () => {
  const report = (samples: readonly number[]): string =>
    renderPeerReport(facts, [
      recorded("Wrenn", { exec: samples }),
      recorded("podman", { exec: samples.toReversed() }),
    ]);
  assert.match(report([90, 110, 95, 105, 99, 101, 108]), /not resolved +0\.\d\d to 1\.\d\d/);
  assert.match(report([90, 110]), /not resolved \(fewer than 6 rounds\)/);
});

test("a program that is missing is named with its package, and a peer that fails does not end the run", async () => {
  let opened = 0;
  const missing = fakePeer("missing", 1, {
    needs: [{ program: "no-such-program-here", debianPackage: "its-package" }],
    open: async () => {
      opened += 1;
      return await Promise.reject(new Error("opened"));
    },
  });
  const closed = fakePeer("closed", 1, {
    open: async () => await Promise.reject(new Error("no bridge here")),
  });
  let downloads = 0;
  const failing = fakePeer("failing", 1, {
    download: async () => {
      downloads += 1;
      return await Promise.reject(new Error("broken pipe"));
    },
  });
  const results = await measurePeers([missing, closed, failing], { rounds: 2 }, signal, () => {});
  const [first, second, third] = results;
  assert.equal(first?.unavailable.firstOutput, "not installed: apt install its-package");
  assert.equal(opened, 0);
  assert.equal(second?.unavailable.exec, "no bridge here");
  assert.deepEqual(third?.unavailable, { download: "broken pipe" });
  assert.equal(downloads, 1);
  assert.deepEqual(third?.samples.upload, [1, 1]);
  assert.deepEqual(third?.samples.tenAtOnce?.length, 2);
  assert.ok(
    renderPeerReport(facts, results).includes(
      "missing: not available: not installed: apt install its-package\n",
    ),
  );
});

test("each peer takes a step before any takes the next, first in every second round", async () => {
  const log: string[] = [];
  const logging = (name: string): Peer =>
    fakePeer(name, 1, {
      lacks: {
        firstOutput: "",
        destroy: "",
        upload: "",
        download: "",
        pauseAndResume: "",
        tenAtOnce: "",
        idleMemory: "",
      },
      exec: async () => log.push(name),
    });
  const results = await measurePeers([logging("a"), logging("b")], { rounds: 2 }, signal, () => {});
  // The first round is a warm-up.
  assert.equal(log.join(""), "baabba");
  assert.deepEqual(results[0]?.samples.exec?.length, 2);
});

test("every machine is ended, also where one of ten does not start", async () => {
  let started = 0;
  let ended = 0;
  let disposed = 0;
  const peer = fakePeer("leaky", 1);
  const open: Peer["open"] = async () => ({
    start: async () => {
      started += 1;
      if (started === 5) throw new Error("the fifth does not start");
      const { machine } = await (await peer.open(signal)).start(signal);
      return { ms: 1, machine: { ...machine, end: async () => void (ended += 1) } };
    },
    dispose: async () => void (disposed += 1),
  });
  const [result] = await measurePeers([{ ...peer, open }], { rounds: 1 }, signal, () => {});
  assert.deepEqual(result?.unavailable, {
    tenAtOnce: "the fifth does not start",
    idleMemory: "the fifth does not start",
  });
  assert.equal(started - 1, ended);
  assert.equal(disposed, 1);
});

test("an abort ends the run with its reason, and everything is removed", async () => {
  const stop = new AbortController();
  let disposed = 0;
  const peer = fakePeer("slow", 1, {
    exec: async () => {
      stop.abort(new Error("interrupted"));
      return await Promise.reject(new Error("killed"));
    },
  });
  const open: Peer["open"] = async (own) => ({
    ...(await peer.open(own)),
    dispose: async () => void (disposed += 1),
  });
  await assert.rejects(
    measurePeers([{ ...peer, open }], { rounds: 1 }, stop.signal, () => {}),
    /interrupted/,
  );
  assert.equal(disposed, 1);
});
