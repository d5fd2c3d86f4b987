import type { IncomingHttpHeaders } from "node:http";
import { defined, WrennError } from "@wrenn/core";
import { VERSION_LIMIT } from "@wrenn/protocol";
import type { FileVersion, WriteCondition } from "@wrenn/protocol";
import { readTags, versionOf } from "./entity-tags.ts";
import { readHttpDate } from "./http-date.ts";

type Tags = ReturnType<typeof readTags>;

/** The conditions of a request that count, by the precedence of RFC 9110 §13.2.2. */
interface Conditions {
  /** The tags are undefined when the field is malformed. */
  readonly match: { readonly tags: Tags } | undefined;
  /** Seconds of Unix time; without `If-Match` only. */
  readonly unmodifiedSince: number | undefined;
  readonly noneMatch: { readonly tags: Tags } | undefined;
  /** Seconds of Unix time; without `If-None-Match` only. */
  readonly modifiedSince: number | undefined;
}

/** What a read's conditions are held against: the entity tag and the time of the last change of one open file, if it has them. */
export interface Version {
  readonly tag: string;
  readonly modifiedMs: number;
}

/**
 * The outcome of a read's conditions: `proceed` unless one of them ends the request. A malformed `If-Match` matches nothing, and so
 * does a malformed `If-None-Match`: the client then gets the file.
 */
export function judgeConditions(
  headers: IncomingHttpHeaders,
  version: Version | undefined,
): "proceed" | "not_modified" | "failed" {
  const { match, unmodifiedSince, noneMatch, modifiedSince } = readConditions(headers);
  const changed = version && Math.floor(version.modifiedMs / 1000);
  if (match && !lists(match.tags, version, "strong")) return "failed";
  if (unmodifiedSince !== undefined && changed !== undefined && changed > unmodifiedSince) return "failed";
  if (noneMatch && lists(noneMatch.tags, version, "weak")) return "not_modified";
  if (modifiedSince !== undefined && changed !== undefined && changed <= modifiedSince) return "not_modified";
  return "proceed";
}

/**
 * The conditions of a write, which the capsule judges in the moment of the replacement. `If-None-Match: *` is `exclusive`, so that its
 * failure stays `path_exists`.
 *
 * @throws WrennError `invalid_field` for tags that are malformed or too many: ignoring them could destroy a file.
 */
export function writeConditions(headers: IncomingHttpHeaders): {
  readonly exclusive: boolean;
  readonly condition?: WriteCondition;
} {
  const { match, unmodifiedSince, noneMatch } = readConditions(headers);
  const wanted = match && tagsOf("If-Match", match.tags);
  const unwanted = noneMatch && tagsOf("If-None-Match", noneMatch.tags);
  const exclusive = unwanted === "*";
  const anyOf =
    wanted === undefined || wanted === "*"
      ? undefined
      : versions(
          "If-Match",
          wanted.filter(({ isWeak }) => !isWeak),
        );
  const noneOf = unwanted === undefined || unwanted === "*" ? undefined : versions("If-None-Match", unwanted);
  if (wanted === undefined && noneOf === undefined && unmodifiedSince === undefined) return { exclusive };
  const condition = { exists: wanted !== undefined, ...defined({ anyOf, noneOf, unmodifiedSince }) };
  return { exclusive, condition };
}

function readConditions(headers: IncomingHttpHeaders): Conditions {
  const { "if-match": match, "if-none-match": noneMatch } = headers;
  return {
    match: match === undefined ? undefined : { tags: readTags(match) },
    unmodifiedSince: match === undefined ? readHttpDate(headers["if-unmodified-since"]) : undefined,
    noneMatch: noneMatch === undefined ? undefined : { tags: readTags(noneMatch) },
    modifiedSince: noneMatch === undefined ? readHttpDate(headers["if-modified-since"]) : undefined,
  };
}

/** Whether the tags name the version (RFC 9110 §8.8.3.2); our own tags are strong. `*` names also what has no tag. */
function lists(tags: Tags, version: Version | undefined, comparison: "strong" | "weak"): boolean {
  if (tags === "*") return true;
  return (
    tags?.some(({ isWeak, opaque }) => opaque === version?.tag && (comparison === "weak" || !isWeak)) === true
  );
}

function tagsOf(field: string, tags: Tags): Exclude<Tags, undefined> {
  if (tags !== undefined) return tags;
  throw new WrennError("invalid_field", {
    field,
    problem: 'must be * or a list of entity tags such as "a", "b"',
  });
}

function versions(field: string, tags: Exclude<Tags, "*" | undefined>): FileVersion[] {
  // A tag that no file can have needs no comparison.
  const named = tags.map(versionOf).filter((version) => version !== undefined);
  if (named.length <= VERSION_LIMIT) return named;
  throw new WrennError("invalid_field", { field, problem: `names more than ${VERSION_LIMIT} entity tags` });
}
