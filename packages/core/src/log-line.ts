const LEVELS: Readonly<Record<number, string>> = {
  20: "debug",
  30: "info",
  40: "warn",
  50: "ERROR",
  60: "FATAL",
};
const HIDDEN = new Set(["level", "time", "event", "pid", "hostname", "msg"]);

/**
 * Formats one JSON line of the log for people: time, level, event, then the fields. Returns a line that is not JSON unchanged.
 */
export function formatLogLine(line: string): string {
  let record: Record<string, unknown>;
  try {
    record = JSON.parse(line) as Record<string, unknown>;
  } catch {
    return line;
  }
  const time = new Date(Number(record["time"])).toISOString().slice(11, 23);
  const level = (LEVELS[Number(record["level"])] ?? "?").padEnd(5);
  const event = record["event"] ?? record["msg"];
  const fields = Object.entries(record)
    .filter(([name]) => !HIDDEN.has(name))
    .map(
      ([name, value]) =>
        `${name}=${typeof value === "string" && !/[\s"=\p{Cc}\p{Cf}]/u.test(value) ? value : printable(value)}`,
    );
  return [time, level, typeof event === "string" ? event : "", ...fields].join(" ");
}

/** As JSON, without characters that steer a terminal. */
function printable(value: unknown): string {
  return (JSON.stringify(value) ?? "undefined").replaceAll(
    /[\p{Cc}\p{Cf}]/gu,
    (mark) => `\\u{${(mark.codePointAt(0) ?? 0).toString(16)}}`,
  );
}
