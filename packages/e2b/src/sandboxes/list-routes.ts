import { teamOf } from "@wrenn/control-plane";
import type { App, SharedServices } from "@wrenn/control-plane";
import { defined, WrennError } from "@wrenn/core";
import { isPlace } from "@wrenn/database";
import type { CapsuleFilter, CapsuleRowStatus } from "@wrenn/database";
import { Type } from "typebox";
import type { Static } from "typebox";
import { errors } from "../api/error-body.ts";
import { linkPage, MAX_PAGE, pageQuery, placeOfToken } from "../api/pages.ts";
import { templateReference } from "../templates/template-reference.ts";
import { metadataFilter } from "./metadata-filter.ts";
import { Listed } from "./sandbox-json.ts";
import type { SandboxJson } from "./sandbox-json.ts";

/** Running sandboxes that the filters of a list match. */
const TOTAL_RUNNING = "x-total-running";
const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/;

/** Statuses of capsules behind each state of sandboxes. */
const states: Readonly<Record<string, readonly CapsuleRowStatus[]>> = {
  running: ["pending", "starting", "running", "missing"],
  paused: ["paused", "hibernated"],
};

const metadata = Type.Optional(Type.String({ maxLength: 65_536 }));
const ListQuery = Type.Object({
  ...pageQuery,
  metadata,
  state: Type.Optional(Type.Union([Type.String(), Type.Array(Type.String())])),
  order: Type.Optional(Type.Union([Type.Literal("asc"), Type.Literal("desc")])),
  startedAfter: Type.Optional(Type.String({ maxLength: 40 })),
  template: Type.Optional(Type.String({ maxLength: 256 })),
});

export interface ListRoutesDeps {
  readonly services: Pick<SharedServices, "capsules">;
  readonly json: SandboxJson;
}

/** Lists of sandboxes. */
export function registerLists(app: App, { services, json }: ListRoutesDeps): void {
  const { rows } = services.capsules;

  app.get(
    "/sandboxes",
    {
      schema: {
        querystring: Type.Object({ metadata }),
        response: { 200: Type.Array(Listed), ...errors },
      },
    },
    async (request, reply) => {
      const filter = { statuses: statusesOf("running"), ...pairs(request.query.metadata) };
      const found = await rows.list(teamOf(request), { filter });
      reply.header(TOTAL_RUNNING, found.length);
      return found.map((row) => json.listed(row));
    },
  );

  app.get(
    "/v2/sandboxes",
    { schema: { querystring: ListQuery, response: { 200: Type.Array(Listed), ...errors } } },
    async (request, reply) => {
      const team = teamOf(request);
      const { limit = MAX_PAGE, nextToken, order = "desc" } = request.query;
      const filter = filterOf(request.query);
      const page = {
        limit: limit + 1,
        ...defined({ after: placeOfToken(nextToken, isPlace) }),
      };
      const found = await rows.list(team, { filter, oldestFirst: order === "asc", page });
      const shown = found.slice(0, limit);
      const place = shown.at(-1)?.place;
      if (found.length > limit && place !== undefined) linkPage(reply, place);
      reply.header(TOTAL_RUNNING, await countRunning(team, filter));
      return shown.map((row) => json.listed(row));
    },
  );

  /** Of all pages. */
  const countRunning = async (team: string, filter: CapsuleFilter): Promise<number> => {
    const statuses = statusesOf("running").filter((status) => filter.statuses?.includes(status));
    return statuses.length === 0 ? 0 : await rows.count(team, { ...filter, statuses });
  };
}

function filterOf(query: Static<typeof ListQuery>): CapsuleFilter {
  const { template } = query;
  return {
    ...pairs(query.metadata),
    statuses: statusesOf(...[query.state ?? ["running", "paused"]].flat()),
    ...(template === undefined ? {} : { templateName: nameOf(template) }),
    // Compared with all digits of the database: it includes what began in the millisecond that clients were shown.
    ...defined({ createdFrom: startOf(query.startedAfter) }),
  };
}

function pairs(text: string | undefined): Pick<CapsuleFilter, "metadata"> {
  return defined({ metadata: metadataFilter(text) });
}

/** @throws WrennError `invalid_field` for a state that sandboxes do not have. */
function statusesOf(...given: readonly string[]): readonly CapsuleRowStatus[] {
  return given
    .flatMap((part) => part.split(","))
    .flatMap((state) => {
      const statuses = Object.hasOwn(states, state) ? states[state] : undefined;
      if (statuses) return statuses;
      throw new WrennError("invalid_field", { field: "state", problem: "must be running or paused" });
    });
}

/** @throws WrennError `invalid_field` for a tag; a template that does not exist has no sandboxes. */
function nameOf(template: string): string {
  if (template.includes(":"))
    throw new WrennError("invalid_field", { field: "template", problem: "must have no tag" });
  try {
    return templateReference(template);
  } catch (error) {
    if (WrennError.is(error, "template_not_found")) return "";
    throw error;
  }
}

function startOf(text: string | undefined): Date | undefined {
  if (text === undefined) return undefined;
  const date = new Date(text);
  if (!INSTANT.test(text) || Number.isNaN(date.getTime()))
    throw new WrennError("invalid_field", {
      field: "startedAfter",
      problem: "must be a time with its zone (RFC 3339)",
    });
  return date;
}
