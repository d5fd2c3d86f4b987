import type { IncomingHttpHeaders } from "node:http";
import type { Socket } from "node:net";
import { parseId, plainAddress, WrennError } from "@wrenn/core";
import { Type } from "typebox";
import type { Static } from "typebox";
import type { RateLimit, RateLimiter } from "../http/rate-limiter.ts";
import type { HostCredentials, HostEnrolment } from "./host-enrolment.ts";
import type { App } from "../http/app.ts";
import { Host, hostJson } from "./host-json.ts";
import { LINE, refusals } from "../http/schemas.ts";
import type { HostMonitor } from "./host-monitor.ts";
import type { RequestLimits } from "../http/request-limits.ts";

const HOST_TOKEN = "x-host-token";
const Size = Type.Integer({ minimum: 1, maximum: 2 ** 31 - 1 });
const Token = Type.String({ minLength: 1, maxLength: 256 });
const Csr = Type.String({
  maxLength: 8192,
  description: "Certificate request, PEM; the key stays at the host",
});
const Credentials = Type.Object({
  host: Host,
  token: Type.String({ description: "For heartbeats, seven days" }),
  refresh_token: Type.String({ description: "Good for 60 days, until its successor is used" }),
  cert_pem: Type.String(),
  ca_cert_pem: Type.String(),
});
const tags = ["hosts"];
/** A fleet behind one address may come back at once. */
const perAddress: RateLimit = { burst: 100, everyMs: 1000 };

export interface HostAgentsDeps {
  readonly enrolment: HostEnrolment;
  readonly monitor: HostMonitor;
  readonly limiter: RateLimiter;
  readonly limits: RequestLimits;
}

/** What hosts of other machines call (docs/reference/rest-api.md#hosts); no credentials but their own tokens. */
export function registerHostAgents(app: App, { enrolment, monitor, limiter, limits }: HostAgentsDeps): void {
  app.post(
    "/v1/hosts/register",
    {
      schema: {
        summary: "Register a host with the token of its announcement",
        tags,
        body: Type.Object({
          token: Token,
          address: Type.String({
            pattern: "^(\\[[0-9a-fA-F:]{2,45}\\]|[A-Za-z0-9.-]{1,253}):[0-9]{1,5}$",
            description: "HOST:PORT at which control planes reach its agent",
          }),
          csr_pem: Csr,
          host_id: Type.Optional(
            Type.String({
              maxLength: 64,
              description: "The host that the machine has joined as: a token of another host is refused",
            }),
          ),
          arch: Type.String({ minLength: 1, maxLength: 16, pattern: LINE }),
          cpu_cores: Size,
          memory_mb: Size,
          disk_gb: Size,
        }),
        response: { 201: Credentials, ...refusals },
      },
    },
    async (request, reply) => {
      limiter.takeForClient("host", request.ip, perAddress);
      const { token, address, arch } = request.body;
      const credentials = await enrolment.register(token, {
        address,
        arch,
        csrPem: request.body.csr_pem,
        joinedAs: request.body.host_id,
        registeredFrom: clientAddress(request),
        cpuCores: request.body.cpu_cores,
        memoryMib: request.body.memory_mb,
        diskGb: request.body.disk_gb,
      });
      return await reply.status(201).send(credentialsJson(credentials));
    },
  );

  app.post(
    "/v1/hosts/auth/refresh",
    {
      schema: {
        summary: "Renew token and certificate of a host",
        tags,
        body: Type.Object({ refresh_token: Token, csr_pem: Csr }),
        response: { 200: Credentials, ...refusals },
      },
    },
    async (request) => {
      limiter.takeForClient("host", request.ip, perAddress);
      return credentialsJson(await enrolment.refresh(request.body.refresh_token, request.body.csr_pem));
    },
  );

  app.post(
    "/v1/hosts/:id/heartbeat",
    {
      schema: {
        summary: "A sign of life of a host",
        description: "With its token in `X-Host-Token`. 404: the host was deleted, and its agent ends.",
        tags,
        params: Type.Object({ id: Type.String() }),
        response: { 204: Type.Null(), ...refusals },
      },
    },
    async (request, reply) => {
      const token = request.headers[HOST_TOKEN];
      if (typeof token !== "string") throw new WrennError("host_token_invalid", {});
      const headers = { authorization: token };
      await limits.requireAttempt(request.ip, headers);
      const hostId = await enrolment.verify(token).catch((error: unknown) => {
        limits.anonymous(request.ip);
        throw error;
      });
      limits.remember(headers);
      if (hostId !== parseId("host", request.params.id)) throw new WrennError("host_mismatch", {});
      if (!(await monitor.recordHeartbeat(hostId))) throw new WrennError("host_not_found", {});
      return await reply.status(204).send(null);
    },
  );
}

function credentialsJson(credentials: HostCredentials): Static<typeof Credentials> {
  const { host, token, refreshToken, certificate } = credentials;
  return {
    host: hostJson(host),
    token,
    refresh_token: refreshToken,
    cert_pem: certificate.certPem,
    ca_cert_pem: certificate.caPem,
  };
}

/** The address of the client, unless the connection is of a proxy that is not trusted to name its client. */
function clientAddress({
  ip,
  headers,
  socket,
}: {
  readonly ip: string;
  readonly headers: IncomingHttpHeaders;
  readonly socket: Pick<Socket, "remoteAddress">;
}): string | null {
  const isForwarded = ["x-forwarded-for", "forwarded", "via", "x-real-ip"].some((name) => name in headers);
  return isForwarded && ip === plainAddress(socket.remoteAddress ?? "") ? null : plainAddress(ip);
}
