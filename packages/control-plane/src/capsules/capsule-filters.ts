import { WrennError } from "@wrenn/core";
import type { CapsuleFilter, CapsuleRowStatus } from "@wrenn/database";
import { Type } from "typebox";
import type { Static } from "typebox";
import { pageFields } from "../http/paging.ts";
import { validateMetadata } from "./capsule-fields.ts";

const MAX_FILTER = 256;
/** An instant with its zone (RFC 3339). */
const INSTANT = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)$/;

/** States that a capsule of the list can have. */
const listedStatuses: ReadonlySet<string> = new Set<CapsuleRowStatus>([
  "pending",
  "starting",
  "running",
  "paused",
  "hibernated",
  "missing",
]);

const text = Type.String({ maxLength: MAX_FILTER });
const pair = Type.String({ maxLength: 1024 });

export const CapsuleListQuery = Type.Object({
  ...pageFields,
  name: Type.Optional(Type.String({ maxLength: MAX_FILTER, description: "Exactly this name" })),
  status: Type.Optional(
    Type.Union([text, Type.Array(text)], {
      description:
        "One or several, repeated or separated by commas: pending, starting, running, paused, missing",
    }),
  ),
  template: Type.Optional(text),
  metadata: Type.Optional(
    Type.Union([pair, Type.Array(pair)], {
      description: "`key=value`; repeated, a capsule must have all of them",
    }),
  ),
  created_after: Type.Optional(
    Type.String({ maxLength: 40, description: "RFC 3339 with a zone; exclusive" }),
  ),
  created_before: Type.Optional(
    Type.String({ maxLength: 40, description: "RFC 3339 with a zone; exclusive" }),
  ),
  order: Type.Optional(
    Type.Union([Type.Literal("desc"), Type.Literal("asc")], {
      description: "By creation: desc, the newest first, is the default",
    }),
  ),
});

/** What a request filters a list by. @throws WrennError `filter_empty`, `invalid_field`. */
export function requestedFilter(query: Static<typeof CapsuleListQuery>): CapsuleFilter {
  const { name, status, template, metadata, created_after: after, created_before: before } = query;
  const createdAfter = after === undefined ? undefined : instant("created_after", after);
  const createdBefore = before === undefined ? undefined : instant("created_before", before);
  return {
    ...(name === undefined ? {} : { name: filled("name", name) }),
    ...(template === undefined ? {} : { template: filled("template", template) }),
    ...(status === undefined ? {} : { statuses: statuses([status].flat()) }),
    ...(metadata === undefined ? {} : { metadata: pairs([metadata].flat()) }),
    ...(createdAfter ? { createdAfter } : {}),
    ...(createdBefore ? { createdBefore } : {}),
  };
}

function filled(field: string, value: string): string {
  if (value === "") throw new WrennError("filter_empty", { field });
  if (value.includes("\0") || !value.isWellFormed())
    throw new WrennError("invalid_field", { field, problem: "must be text without NUL" });
  return value;
}

function statuses(given: readonly string[]): readonly CapsuleRowStatus[] {
  const wanted = given.flatMap((part) => part.split(",")).map((part) => filled("status", part.trim()));
  if (wanted.length === 0) throw new WrennError("filter_empty", { field: "status" });
  return wanted.map((status) => {
    if (isListed(status)) return status;
    throw new WrennError("invalid_field", {
      field: "status",
      problem: `must be of ${[...listedStatuses].join(", ")}: capsules that have ended are not listed`,
    });
  });
}

function isListed(status: string): status is CapsuleRowStatus {
  return listedStatuses.has(status);
}

function pairs(given: readonly string[]): Readonly<Record<string, string>> {
  if (given.length === 0) throw new WrennError("filter_empty", { field: "metadata" });
  const metadata: [string, string][] = given.map((one) => {
    const at = filled("metadata", one).indexOf("=");
    if (at < 1) throw new WrennError("invalid_field", { field: "metadata", problem: "must be key=value" });
    return [one.slice(0, at), one.slice(at + 1)];
  });
  if (new Set(metadata.map(([key]) => key)).size < metadata.length)
    throw new WrennError("invalid_field", { field: "metadata", problem: "must name each key once" });
  const filter = Object.fromEntries(metadata);
  validateMetadata(filter);
  return filter;
}

function instant(field: string, value: string): Date {
  const date = new Date(filled(field, value));
  if (!INSTANT.test(value) || Number.isNaN(date.getTime()))
    throw new WrennError("invalid_field", { field, problem: "must be a time with its zone (RFC 3339)" });
  return date;
}
