import {
  identityOf,
  requireScope,
  teamOf,
  validateEnvironment,
  validateMetadata,
  waitingClient,
} from "@wrenn/control-plane";
import type { App, SharedServices, WaitingClient } from "@wrenn/control-plane";
import { defined, formatId, WrennError } from "@wrenn/core";
import type { CapsuleRow, Ingress } from "@wrenn/database";
import type { LifetimeEnd } from "@wrenn/protocol";
import type { FastifyRequest } from "fastify";
import { Type } from "typebox";
import type { Static } from "typebox";
import { errors } from "../api/error-body.ts";
import { egressRules, NetworkFields, requireOffered, tlsPortsOf } from "../network/network-fields.ts";
import { templateReference } from "../templates/template-reference.ts";
import type { SandboxJson } from "./sandbox-json.ts";
import { Started } from "./sandbox-json.ts";
import { timeoutOf } from "./timeout.ts";

/** Sizes of sandboxes whose template does not fix them; this API has no fields for them. */
const VCPUS = 1;
const MEMORY_MIB = 512;
/** What clients that send no `timeout` expect, in seconds. */
const DEFAULT_TIMEOUT = { v1: 15, v2: 300 } as const;
/** Longer than a host needs to start a machine. */
const START_MS = 10 * 60_000;

const Text = Type.Record(Type.String(), Type.String());

const CreateFields = Type.Object({
  templateID: Type.String({ minLength: 1, maxLength: 256 }),
  timeout: Type.Optional(Type.Integer()),
  allow_internet_access: Type.Optional(Type.Boolean()),
  metadata: Type.Optional(Text),
  envVars: Type.Optional(Text),
  autoPause: Type.Optional(Type.Boolean()),
  autoPauseMemory: Type.Optional(Type.Boolean()),
  autoResume: Type.Optional(Type.Object({ enabled: Type.Boolean() })),
  network: Type.Optional(NetworkFields),
  iam: Type.Optional(Type.Unknown()),
  mcp: Type.Optional(Type.Unknown()),
  volumeMounts: Type.Optional(Type.Array(Type.Unknown())),
});
type CreateRequestBody = Static<typeof CreateFields>;

export interface CreateRoutesDeps {
  readonly services: SharedServices;
  readonly json: SandboxJson;
}

/** Creating sandboxes. Clients before 2.48 use the first path and send every field, later ones the second. */
export function registerCreate(app: App, { services, json }: CreateRoutesDeps): void {
  const create = async (request: FastifyRequest<{ Body: CreateRequestBody }>, version: "v1" | "v2") => {
    const { body } = request;
    const team = teamOf(request);
    requireOfferedFields(body);
    validateMetadata(body.metadata ?? {});
    validateEnvironment(body.envVars ?? {});
    const network = egressRules({ ...body.network, allowsInternet: body.allow_internet_access });
    return {
      team,
      fields: {
        template: templateReference(body.templateID),
        vcpus: VCPUS,
        memoryMib: MEMORY_MIB,
        timeoutSec: 0,
        maxLifetimeSec: timeoutOf(body.timeout ?? DEFAULT_TIMEOUT[version]),
        onLifetimeEnd: endOfLifetime(body),
        autoResume: body.autoResume?.enabled ?? false,
        ingress: await ingressOf(request, body, services),
        ...defined({ network, metadata: body.metadata, envs: body.envVars }),
      },
    };
  };

  for (const [path, version] of [
    ["/sandboxes", "v1"],
    ["/v2/sandboxes", "v2"],
  ] as const)
    app.post(
      path,
      {
        config: { scope: "run", waitsForHost: true },
        schema: { body: CreateFields, response: { 201: Started, ...errors } },
      },
      async (request, reply) => {
        const { team, fields } = await create(request, version);
        const client = waitingClient(reply);
        services.limits.create(team);
        const row = await services.capsules.creation.create(team, fields, {
          client,
          requireEgress: () => requireScope(identityOf(request), "egress"),
        });
        const running = await untilRunning(services, row, client);
        await services.record(request, {
          resource: "sandbox",
          resourceId: formatId("capsule", row.id),
          action: "create",
          metadata: { template: row.template },
        });
        await client.requirePresent();
        return await reply.status(201).send(json.started(running));
      },
    );
}

/**
 * Clients expect a sandbox that answers: one that is still being made is waited for.
 * A client that leaves ends the wait and the sandbox; a server that closes ends the wait alone.
 */
async function untilRunning(
  { capsules, closing }: SharedServices,
  created: CapsuleRow,
  { left }: WaitingClient,
): Promise<CapsuleRow> {
  if (created.status === "running") return created;
  const id = formatId("capsule", created.id);
  const ended = AbortSignal.any([left, closing]);
  const row = await capsules.rows.getCreated(created.team_id, id, START_MS, ended);
  if (row.status === "running") return row;
  if (row.status === "stopped") throw new WrennError("capsule_not_found", {});
  throw new WrennError("operation_failed", {
    operation: "creating the sandbox",
    problem: row.problem ?? `its status is ${row.status}`,
  });
}

function requireOfferedFields({ iam, mcp, volumeMounts, network }: CreateRequestBody): void {
  if (iam !== undefined && iam !== null) throw new WrennError("e2b_not_offered", { feature: "iam" });
  if (mcp !== undefined && mcp !== null) throw new WrennError("e2b_not_offered", { feature: "mcp" });
  if (volumeMounts && volumeMounts.length > 0)
    throw new WrennError("e2b_not_offered", { feature: "volumeMounts" });
  if (network) requireOffered(network);
}

/** @throws WrennError `invalid_field` for choices that exclude each other. */
function endOfLifetime({ autoPause = false, autoPauseMemory, autoResume }: CreateRequestBody): LifetimeEnd {
  if (autoPauseMemory === false && !autoPause)
    throw new WrennError("invalid_field", { field: "autoPauseMemory", problem: "needs autoPause" });
  if (autoPauseMemory === false && autoResume?.enabled === true)
    throw new WrennError("invalid_field", {
      field: "autoResume",
      problem: "does not go with autoPauseMemory: false, since requests do not boot a sandbox",
    });
  if (!autoPause) return "destroy";
  return autoPauseMemory === false ? "pause_disk" : "pause";
}

/** Ports are public unless the client, the key or the operator does not want it; then they take the traffic token. */
async function ingressOf(
  request: FastifyRequest,
  { network }: CreateRequestBody,
  { ports }: SharedServices,
): Promise<Ingress> {
  const { allowPublicTraffic, maskRequestHost: maskHost } = network ?? {};
  const tlsPorts = network && tlsPortsOf(network);
  const isPublic = async (): Promise<boolean> => {
    if (allowPublicTraffic === false) return false;
    try {
      requireScope(identityOf(request), "ports");
      await ports.requirePublicAllowed(teamOf(request));
      return true;
    } catch (error) {
      const isForbidden =
        WrennError.is(error, "scope_missing") || WrennError.is(error, "public_ports_forbidden");
      // Who asks for it hears of it; others get sandboxes that are used with the token.
      if (!isForbidden || allowPublicTraffic === true) throw error;
      return false;
    }
  };
  return { ports: (await isPublic()) ? "all" : "token", ...defined({ maskHost, tlsPorts }) };
}
