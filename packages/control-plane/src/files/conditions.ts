import type { IncomingHttpHeaders } from "node:http";

/** What a condition is held against: the entity tag and the time of the last change of one open file. */
export interface Version {
  readonly tag: string;
  readonly modifiedMs: number;
}

/** The outcome of a read's conditions in the order of RFC 9110 §13.2.2: `proceed` unless one of them ends the request. */
export function judgeConditions(
  headers: IncomingHttpHeaders,
  version: Version,
): "proceed" | "not_modified" | "failed" {
  if (headers["if-match"] !== undefined) {
    if (!lists(headers["if-match"], version.tag)) return "failed";
  } else {
    const unmodifiedSince = seconds(headers["if-unmodified-since"]);
    if (unmodifiedSince !== undefined && changedSeconds(version) > unmodifiedSince) return "failed";
  }
  if (headers["if-none-match"] !== undefined)
    return lists(headers["if-none-match"].replaceAll("W/", ""), version.tag) ? "not_modified" : "proceed";
  const modifiedSince = seconds(headers["if-modified-since"]);
  return modifiedSince !== undefined && changedSeconds(version) <= modifiedSince ? "not_modified" : "proceed";
}

function lists(header: string, tag: string): boolean {
  return header.split(",").some((one) => one.trim() === tag || one.trim() === "*");
}

/** A malformed date is ignored, as RFC 9110 asks. */
function seconds(date: string | undefined): number | undefined {
  const parsed = date === undefined ? Number.NaN : Date.parse(date);
  return Number.isNaN(parsed) ? undefined : Math.floor(parsed / 1000);
}

function changedSeconds({ modifiedMs }: Version): number {
  return Math.floor(modifiedMs / 1000);
}
