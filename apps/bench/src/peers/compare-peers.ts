import { MIN_SAMPLES, summarise, summarisePairs } from "../statistics.ts";
import type { Interval } from "../statistics.ts";
import { judgeLimit } from "../verdicts.ts";
import type { Verdict } from "../verdicts.ts";
import type { PeerResult } from "./measured-peer.ts";
import { peerMeasures } from "./peer.ts";
import type { PeerMeasure } from "./peer.ts";

/** Wrenn in one measure, and another peer in the same rounds. */
export interface PeerComparison {
  readonly measure: PeerMeasure;
  readonly wrenn: string;
  readonly p50: number;
  readonly rounds: number;
  /** Undefined where no other peer has the measure. */
  readonly beside: ComparedPeer | undefined;
}

export interface ComparedPeer {
  readonly peer: string;
  readonly p50: number;
  /** Wrenn to the peer, in the median of the rounds. */
  readonly ratio: number;
  /** Where that ratio is with a confidence of 95 %; undefined for too few rounds. */
  readonly interval: Interval | undefined;
  readonly asked: number | undefined;
  readonly verdict: Verdict | undefined;
}

const BRIDGE = "podman, bridge (runc)";
/** Ratios that the project asks of itself. */
const asked: Partial<Readonly<Record<PeerMeasure, number>>> = { firstOutput: 0.5, upload: 1.6 };

/** Every measure of Wrenn, with the ratios to every peer that has it. */
export function comparePeers(results: readonly PeerResult[]): readonly PeerComparison[] {
  const measures = Object.keys(peerMeasures) as readonly PeerMeasure[];
  const ours = results.filter(({ isWrenn }) => isWrenn);
  const others = results.filter(({ isWrenn }) => !isWrenn);
  return measures.flatMap((measure) =>
    ours.flatMap((wrenn): readonly PeerComparison[] => {
      const samples = samplesOf(wrenn, measure);
      if (samples.length === 0) return [];
      const alone = { measure, wrenn: wrenn.name, p50: summarise(samples).p50, rounds: samples.length };
      const compared = others.flatMap((peer) => compare(measure, samples, peer) ?? []);
      if (compared.length === 0) return [{ ...alone, beside: undefined }];
      return compared.map((beside) => ({ ...alone, beside }));
    }),
  );
}

function compare(measure: PeerMeasure, our: readonly number[], peer: PeerResult): ComparedPeer | undefined {
  const their = samplesOf(peer, measure);
  if (their.length === 0) return undefined;
  const pairs = our
    .slice(0, their.length)
    .map((wholeMs, at) => ({ wholeMs, baseMs: their[at] ?? Number.NaN }));
  const { ratio } = summarisePairs(pairs);
  const limit = peer.name === BRIDGE ? asked[measure] : undefined;
  return {
    peer: peer.name,
    p50: summarise(their).p50,
    ratio: ratio.p50,
    interval: ratio.interval,
    asked: limit,
    verdict: limit === undefined ? undefined : judgeLimit(ratio.interval, limit),
  };
}

/** None of a measure that failed in a later round. */
function samplesOf({ samples, unavailable }: PeerResult, measure: PeerMeasure): readonly number[] {
  return unavailable[measure] === undefined ? (samples[measure] ?? []) : [];
}

/** `1.20` where the ratio is known to differ from 1, or in what way it is not. */
export function describeRatio({ ratio, interval }: Pick<ComparedPeer, "ratio" | "interval">): string {
  if (interval === undefined) return `not resolved (fewer than ${MIN_SAMPLES} rounds)`;
  const [low, high] = interval;
  return low <= 1 && high >= 1 ? "not resolved" : ratio.toFixed(2);
}

/** Measures that a peer does not have for one reason. */
export interface UnavailableMeasures {
  readonly peer: string;
  readonly measures: readonly PeerMeasure[];
  readonly reason: string;
}

/** What could not be measured, by peer and reason. */
export function unavailableMeasures(results: readonly PeerResult[]): readonly UnavailableMeasures[] {
  return results.flatMap(({ name, unavailable }) => {
    const reasons = new Map<string, PeerMeasure[]>();
    for (const measure of Object.keys(peerMeasures) as PeerMeasure[]) {
      const reason = unavailable[measure];
      if (reason !== undefined) reasons.set(reason, [...(reasons.get(reason) ?? []), measure]);
    }
    return [...reasons].map(([reason, measures]) => ({ peer: name, measures, reason }));
  });
}
