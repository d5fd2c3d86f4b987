import { describeFacts } from "../machine-facts.ts";
import type { MachineFacts } from "../machine-facts.ts";
import { figure } from "../figures.ts";
import { alignTable } from "../table.ts";
import { comparePeers, describeRatio, unavailableMeasures } from "./compare-peers.ts";
import type { ComparedPeer } from "./compare-peers.ts";
import type { PeerResult } from "./measured-peer.ts";
import { peerMeasures } from "./peer.ts";

/** Medians of Wrenn and the others, ratios with their intervals, what each isolates, and what could not be measured. */
export function renderPeerReport(facts: MachineFacts, results: readonly PeerResult[]): string {
  const header = [
    "measure",
    "unit",
    "n",
    "Wrenn",
    "p50",
    "compared with",
    "p50",
    "ratio",
    "95 % interval",
    "asked",
    "",
  ];
  const lines = comparePeers(results).map(({ measure, wrenn, p50, rounds, beside }) => [
    peerMeasures[measure].title,
    peerMeasures[measure].unit,
    String(rounds),
    wrenn.replace(/^Wrenn, /, ""),
    figure(p50),
    ...(beside ? besideCells(beside) : ["–", "–", "–", "–", "–", ""]),
  ]);
  return [
    describeFacts(facts),
    "",
    ...(lines.length === 0 ? ["nothing could be compared"] : alignTable([header, ...lines])),
    "",
    "ratio: Wrenn to the other in the same round. Capsules are used over the API, the others through their commands.",
    "",
    "what each isolates",
    "",
    ...results.map(({ name, isolates }) => `${name}: ${isolates}`),
    ...unavailableLines(results),
    "",
  ].join("\n");
}

function besideCells({ peer, p50, ratio, interval, asked, verdict }: ComparedPeer): readonly string[] {
  return [
    peer,
    figure(p50),
    describeRatio({ ratio, interval }),
    interval?.map((bound) => bound.toFixed(2)).join(" to ") ?? "–",
    asked === undefined ? "–" : `≤ ${asked}`,
    verdict ?? "",
  ];
}

function unavailableLines(results: readonly PeerResult[]): readonly string[] {
  const lines = unavailableMeasures(results).map(({ peer, measures, reason }) => {
    const titles = measures.map((measure) => peerMeasures[measure].title);
    const what = measures.length === Object.keys(peerMeasures).length ? "" : ` (${titles.join("; ")})`;
    return `${peer}${what}: not available: ${reason}`;
  });
  return lines.length === 0 ? [] : ["", "not measured", "", ...lines];
}
