import { figure } from "../figures.ts";
import { describeFacts } from "../machine-facts.ts";
import { describeRatio } from "../peers/compare-peers.ts";
import type { ComparedPeer } from "../peers/compare-peers.ts";
import { peerMeasures } from "../peers/peer.ts";
import { describePairs } from "../report.ts";
import type { Row } from "../row.ts";
import { goals } from "../rows/goals.ts";
import { rows as allRows } from "../rows/index.ts";
import type { Interval } from "../statistics.ts";
import { describeTarget, judgeLimit, judgeTarget } from "../verdicts.ts";
import type { Verdict } from "../verdicts.ts";
import type {
  MeasuredPeers,
  MeasuredRows,
  RowSummary,
  RunOrigin,
  StoredPerformance,
} from "./stored-performance.ts";
import { renderWaterfalls } from "./waterfalls.ts";

const INTRODUCTION = `# Performance

Generated from [performance-run.json](performance-run.json) by \`npm run reference\`. Times depend on the machine and are not promises: \`./wrenn bench\` measures them on yours.

- p50 is the median, and p99 the time that 99 % of the samples do not exceed. Brackets hold the 95 % interval of the median. Fewer than 6 samples have none.
- A difference or a ratio whose interval includes "no difference" is "not resolved".
- "Asked" is the goal for a quiet machine with two cores and software emulation. "fb03c93" is what that commit took.
- Rows of the dashboard are measured in Debian's headless Chromium, which shares the processors with server and capsules. There is no GPU: terminals draw by elements, not by WebGL. Painted means laid out and painted by the page, before the frame is on a screen.
`;

const RENEWAL = `## Measuring again

On a quiet machine of the reference class, each command within 12 minutes:

\`\`\`sh
./wrenn bench --goals --minutes 11 --json rows.json
./wrenn bench --peers --minutes 11 --json peers.json
npm run performance -- rows.json peers.json
\`\`\`

With \`--before FILE\`, \`npm run performance\` adds the ratios to an older run of \`./wrenn bench --json FILE\`. The rows without \`--goals\` take longer.
`;

/** The page as Markdown. Parts that were not measured say so. */
export function renderPerformancePage({ rows, peers }: StoredPerformance): string {
  return [
    INTRODUCTION,
    ...(rows ? [renderRows(rows)] : ["No rows are stored.\n"]),
    ...(peers ? [renderPeers(peers)] : []),
    RENEWAL,
  ].join("\n");
}

function renderRows(run: MeasuredRows): string {
  const known = new Map(run.rows.map((row) => [row.name, row]));
  const shown = new Set(goals.map(({ row }) => row.name));
  const others = run.rows.filter(({ name }) => !shown.has(name));
  const header = [
    "row",
    "fb03c93",
    "asked",
    "p50",
    "p99",
    "n",
    "",
    ...(run.before ? ["to the run before"] : []),
  ];
  const goalLines = goals.map(({ row, before }) => [
    row.name,
    before,
    ...cells(row, known.get(row.name), run),
  ]);
  const otherLines = others.map((summary) => [
    summary.name,
    ...cells(
      allRows.find(({ name }) => name === summary.name),
      summary,
      run,
    ),
  ]);
  const pairs = run.rows.filter((row) => row.pairs);
  return [
    "## Paths that users wait for\n",
    describeOrigin(run),
    ...(run.before ? [`The run before: ${describeOrigin(run.before)}`] : []),
    table(header, goalLines),
    ...(pairs.length === 0
      ? []
      : ["Rows of pairs measure two ways next to each other, and show their ratio (ms):\n"]),
    ...(pairs.length === 0 ? [] : [`${pairs.map(pairLine).join("\n")}\n`]),
    renderWaterfalls(run.rows),
    ...(others.length === 0
      ? []
      : [
          "## Other rows\n",
          table(
            header.filter((_, at) => at !== 1),
            otherLines,
          ),
        ]),
  ].join("\n");
}

/** Asked, p50, p99, count, verdict, and the ratio to the run before. */
function cells(row: Row | undefined, summary: RowSummary | undefined, { before }: MeasuredRows): string[] {
  const asked = row ? describeAsked(row) : "–";
  if (!summary) return [asked, "not measured", "–", "–", "–", ...(before ? ["–"] : [])];
  const { p50, p99, interval, unit, count, pairs } = summary;
  const withUnit = (value: number): string => (unit === "ratio" ? figure(value) : `${figure(value)} ${unit}`);
  return [
    asked,
    `${withUnit(p50)}${brackets(pairs ? pairs.ratio.interval : interval)}`,
    // The 99th percentile of ratios is noise.
    pairs ? "–" : withUnit(p99),
    String(count),
    row ? judge(row, summary) : "–",
    ...(before ? [describeChange(summary)] : []),
  ];
}

function describeAsked({ asked, askedDifferenceMs }: Row): string {
  if (asked) return describeTarget(asked);
  return askedDifferenceMs === undefined ? "–" : `difference ≤ ${figure(askedDifferenceMs)} ms`;
}

function judge({ asked, askedDifferenceMs }: Row, { count, p50, p99, pairs }: RowSummary): string {
  const verdict =
    pairs && askedDifferenceMs !== undefined
      ? judgeLimit(pairs.difference.interval, askedDifferenceMs)
      : pairs && asked?.p50 !== undefined
        ? judgeLimit(pairs.ratio.interval, asked.p50)
        : asked && judgeTarget(asked, { count, p50, p99 });
  return emphasise(verdict);
}

function describeChange({ change }: RowSummary): string {
  if (!change) return "–";
  const [low, high] = change.interval;
  const ratio = low <= 1 && high >= 1 ? "not resolved" : `${change.ratio.toFixed(2)} ×`;
  return `${ratio} (${low.toFixed(2)} to ${high.toFixed(2)})`;
}

function pairLine({ name, pairs }: RowSummary): string {
  return pairs ? `- ${name}: ${describePairs(pairs)}` : "";
}

function renderPeers(run: MeasuredPeers): string {
  const header = ["measure", "Wrenn", "p50", "compared with", "p50", "ratio (95 %)", "asked", ""];
  const lines = run.comparisons.map(({ measure, wrenn, p50, beside }) => {
    const { title, unit } = peerMeasures[measure];
    return [
      title,
      wrenn.replace(/^Wrenn, /, ""),
      `${figure(p50)} ${unit}`,
      ...(beside ? besideCells(beside, unit) : ["–", "–", "–", "–", "–"]),
    ];
  });
  const notMeasured = run.unavailable.map(
    ({ peer, measures, reason }) =>
      `- ${peer}: ${measures.map((measure) => peerMeasures[measure].title).join("; ")}. Reason: ${reason}`,
  );
  return [
    "## Compared with containers and other sandboxes\n",
    describeOrigin(run),
    "Each ratio is that of Wrenn to the other in the same round. Capsules are used over the API, the others through their commands. Memory is that of the processes of one machine, without what all machines share.\n",
    table(header, lines),
    "What each isolates:\n",
    `${run.peers.map(({ name, isolates }) => `- ${name}: ${isolates}`).join("\n")}\n`,
    ...(notMeasured.length === 0 ? [] : ["Not measured:\n", `${notMeasured.join("\n")}\n`]),
  ].join("\n");
}

function besideCells({ peer, p50, ratio, interval, asked, verdict }: ComparedPeer, unit: string): string[] {
  const range = interval ? ` (${interval.map((bound) => bound.toFixed(2)).join(" to ")})` : "";
  return [
    peer,
    `${figure(p50)} ${unit}`,
    `${describeRatio({ ratio, interval })}${range}`,
    asked === undefined ? "–" : `≤ ${asked}`,
    emphasise(verdict),
  ];
}

function emphasise(verdict: Verdict | undefined): string {
  return verdict === "missed" ? "**missed**" : (verdict ?? "–");
}

function describeOrigin({ date, commit, facts }: RunOrigin): string {
  const when = [
    date?.slice(0, 10) ?? "date unknown",
    commit === undefined ? "commit unknown" : `commit ${commit}`,
  ];
  return `${when.join(", ")}. ${describeFacts(facts)}.\n`;
}

function brackets(interval: Interval | undefined): string {
  return interval ? ` [${interval.map(figure).join(" to ")}]` : "";
}

function table(header: readonly string[], lines: readonly (readonly string[])[]): string {
  const all = [header, header.map(() => "---"), ...lines];
  return `${all.map((line) => `| ${line.map((cell) => cell.replaceAll("|", String.raw`\|`)).join(" | ")} |`).join("\n")}\n`;
}
