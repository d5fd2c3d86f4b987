import { defined, WrennError } from "@wrenn/core";
import { Type } from "typebox";
import type { RecordAudit } from "../audit/audit.ts";
import { identityOf, teamOf } from "../http/app.ts";
import type { App } from "../http/app.ts";
import { requireScope } from "../http/identity.ts";
import { CapsuleParams, LINE, refusals, SafeName } from "../http/schemas.ts";
import { NetworkBody, networkRules } from "../network/network-routes.ts";
import { Capsule, capsuleJson } from "./capsule-api.ts";
import type { CapsuleChanges, Extension } from "./capsule-changes.ts";
import { autoResume, maxLifetimeSec, onLifetimeEnd, timeoutSec } from "./capsule-fields.ts";

const MAX_EXTENSION = 2_592_000;

const ChangeBody = Type.Object(
  {
    name: Type.Optional(Type.Union([SafeName, Type.Null()], { description: "null removes the name" })),
    metadata: Type.Optional(
      Type.Union(
        [Type.Record(Type.String(), Type.Union([Type.String({ pattern: LINE }), Type.Null()])), Type.Null()],
        {
          description:
            "Pairs to add or replace; null as a value removes the pair, and null as a whole all of them. Others stay.",
        },
      ),
    ),
    timeout_sec: Type.Optional(timeoutSec),
    max_lifetime_sec: Type.Optional(maxLifetimeSec),
    on_lifetime_end: Type.Optional(onLifetimeEnd),
    auto_resume: Type.Optional(autoResume),
    network: Type.Optional(NetworkBody),
  },
  { examples: [{ name: "web", metadata: { stage: "test", owner: null }, timeout_sec: 600 }] },
);

const ExtendBody = Type.Object(
  {
    by_sec: Type.Optional(
      Type.Integer({ minimum: 1, maximum: MAX_EXTENSION, description: "Seconds after the end as it is" }),
    ),
    from_now_sec: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: MAX_EXTENSION,
        description: "Seconds from now, which may be before the end as it is",
      }),
    ),
  },
  { examples: [{ from_now_sec: 3600 }] },
);

export interface CapsuleChangeRoutesDeps {
  readonly changes: CapsuleChanges;
  readonly record: RecordAudit;
}

/** Changes of capsules that exist; our addition to the contract (docs/reference/rest-api.md#changes). */
export function registerCapsuleChangeRoutes(
  app: App,
  { changes, record }: CapsuleChangeRoutesDeps,
  base: string,
): void {
  app.patch(
    `${base}/:id`,
    {
      schema: {
        summary: "Change a capsule",
        description:
          "All of it or nothing, at once. What is not named stays. Works for running and paused capsules; name, metadata and auto_resume also while the capsule is being created or its host does not answer. `max_lifetime_sec` counts from the beginning of the present run and takes the place of an extension. `network` needs the scope `egress`. 409 when the name is taken or reserved, or the capsule has ended.",
        tags: ["capsules"],
        params: CapsuleParams,
        body: ChangeBody,
        response: { 200: Capsule, ...refusals },
      },
    },
    async (request) => {
      const { id } = request.params;
      const { body } = request;
      if (body.network) requireScope(identityOf(request), "egress");
      const row = await changes.change(teamOf(request), id, {
        name: body.name,
        metadata: body.metadata,
        timeoutSec: body.timeout_sec,
        maxLifetimeSec: body.max_lifetime_sec,
        onLifetimeEnd: body.on_lifetime_end,
        autoResume: body.auto_resume,
        network: body.network && networkRules(body.network),
      });
      const fields = Object.keys(defined(body)).join(", ");
      const name = typeof body.name === "string" ? { name: body.name } : {};
      await record(request, {
        resource: "sandbox",
        resourceId: id,
        action: "update",
        metadata: { fields, ...name },
      });
      return capsuleJson(row);
    },
  );

  app.post(
    `${base}/:id/extend`,
    {
      schema: {
        summary: "Move the end of the present run of a capsule",
        description:
          "By `by_sec`, or to `from_now_sec`; one of them. The next run has its own end again. `from_now_sec` gives an end to a run that has none. 409 unless the capsule runs.",
        tags: ["capsules"],
        params: CapsuleParams,
        body: ExtendBody,
        response: { 200: Capsule, ...refusals },
      },
    },
    async (request) => {
      const { id } = request.params;
      const row = await changes.extend(teamOf(request), id, extensionOf(request.body));
      await record(request, {
        resource: "sandbox",
        resourceId: id,
        action: "extend",
        metadata: { until: row.extended_until?.toISOString() ?? "" },
      });
      return capsuleJson(row);
    },
  );
}

function extensionOf(body: { readonly by_sec?: number; readonly from_now_sec?: number }): Extension {
  const { by_sec: bySec, from_now_sec: fromNowSec } = body;
  if (bySec !== undefined && fromNowSec === undefined) return { bySec };
  if (bySec === undefined && fromNowSec !== undefined) return { fromNowSec };
  throw new WrennError("invalid_field", {
    field: "by_sec or from_now_sec",
    problem: bySec === undefined ? "is missing" : "must be alone",
  });
}
