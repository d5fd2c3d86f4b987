import { access, constants } from "node:fs/promises";
import { join } from "node:path";
import type { BenchLimits, BenchProgress } from "../harness.ts";
import { bubblewrap, gvisorDo } from "./command-peers.ts";
import { MeasuredPeer, peerSteps } from "./measured-peer.ts";
import type { PeerResult } from "./measured-peer.ts";
import { peerMeasures } from "./peer.ts";
import type { Peer } from "./peer.ts";
import { podmanPeer } from "./podman.ts";
import { capsulePeer, coldBootPeer, pooledCapsulePeer } from "./wrenn-peers.ts";
import type { PeerContext } from "./wrenn-peers.ts";

const WARM_UP_ROUNDS = 1;

/** Wrenn, and what people use for the same purpose, in the order of the report. */
export function allPeers(context: PeerContext): readonly Peer[] {
  return [
    capsulePeer(context),
    pooledCapsulePeer(),
    podmanPeer({ network: "bridge", runtime: "runc" }),
    podmanPeer({ network: "none", runtime: "runc" }),
    podmanPeer({ network: "none", runtime: "runsc" }),
    gvisorDo,
    bubblewrap,
    coldBootPeer(context),
  ];
}

/**
 * Measures all peers in interleaved rounds: in a round each takes every step in turn, and every second round has them in reverse order.
 * The first round is thrown away.
 *
 * @param onRound - called after each round that counts, with what is known by then.
 * @throws the reason of `signal`. A peer that fails is reported in its result.
 */
export async function measurePeers(
  peers: readonly Peer[],
  { rounds, forMs = Number.POSITIVE_INFINITY }: BenchLimits,
  signal: AbortSignal,
  onProgress: (progress: BenchProgress) => void,
  onRound: (results: readonly PeerResult[]) => Promise<void> = async () => {},
): Promise<readonly PeerResult[]> {
  const startedAt = performance.now();
  await using stack = new AsyncDisposableStack();
  const measured: MeasuredPeer[] = [];
  const all = { rounds: rounds + WARM_UP_ROUNDS };
  for (const [index, peer] of peers.entries()) {
    signal.throwIfAborted();
    onProgress({ ...all, row: peer.name, index, rows: peers.length, round: undefined, leftMs: undefined });
    const one = new MeasuredPeer(peer, signal);
    stack.defer(() => one.dispose());
    await one.prepare(await missingPackages(peer));
    measured.push(one);
  }
  const results = (): readonly PeerResult[] => measured.map((one) => one.result());
  const begunAt = performance.now();
  for (let round = -WARM_UP_ROUNDS; round < rounds; round++) {
    const over = round + WARM_UP_ROUNDS;
    const perRoundMs = (performance.now() - begunAt) / over;
    const forRestMs = forMs - (performance.now() - startedAt);
    if (round > 0 && perRoundMs > forRestMs) break;
    const leftMs = over === 0 ? undefined : Math.min(perRoundMs * (rounds - round), forRestMs);
    const order = round % 2 === 0 ? measured : measured.toReversed();
    for (const [index, step] of peerSteps.entries()) {
      for (const one of order) {
        signal.throwIfAborted();
        const row = `${one.name}: ${peerMeasures[step[0]].title}`;
        onProgress({ ...all, row, index, rows: peerSteps.length, round: over + 1, leftMs });
        await one.take(step, round >= 0);
      }
    }
    if (round >= 0) await onRound(results());
  }
  return results();
}

async function missingPackages({ needs }: Peer): Promise<readonly string[]> {
  const present = await Promise.all(needs.map(async ({ program }) => await isInstalled(program)));
  return needs.filter((_, index) => !present[index]).map(({ debianPackage }) => debianPackage);
}

async function isInstalled(program: string): Promise<boolean> {
  const directories = (process.env["PATH"] ?? "").split(":").filter(Boolean);
  const found = await Promise.all(
    directories.map(async (directory) =>
      access(join(directory, program), constants.X_OK).then(
        () => true,
        () => false,
      ),
    ),
  );
  return found.includes(true);
}
