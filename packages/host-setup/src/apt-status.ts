/** How far apt is: its download is the first half, unpacking and configuring the second. */
export interface AptStatus {
  /** 0 to 1 over the whole installation. */
  readonly fraction: number;
  readonly detail: string;
}

const LINE_LIMIT = 4096;

/**
 * Reads the status lines that apt writes to `APT::Status-Fd`, here mixed with its ordinary output: `dlstatus:N:PERCENT:TEXT`
 * and `pmstatus:PACKAGE:PERCENT:TEXT` (apt's README.progress-reporting). Feed it pieces of output as they come.
 */
export function createAptStatusReader(onStatus: (status: AptStatus) => void): (piece: string) => void {
  let rest = "";
  return (piece) => {
    const lines = (rest + piece).split("\n");
    rest = (lines.pop() ?? "").slice(0, LINE_LIMIT);
    for (const line of lines) {
      const status = parseAptStatus(line);
      if (status !== undefined) onStatus(status);
    }
  };
}

/** One status line; undefined for every other line. */
export function parseAptStatus(line: string): AptStatus | undefined {
  const match = /^(dl|pm)status:[^:]*:(\d+(?:\.\d+)?):(.*)$/.exec(line);
  if (match === null) return undefined;
  const half = Math.min(Number(match[2]), 100) / 200;
  return { fraction: match[1] === "dl" ? half : 0.5 + half, detail: match[3] ?? "" };
}
