import { defined, WrennError } from "@wrenn/core";
import { Type } from "typebox";
import type { Static } from "typebox";
import { Value } from "typebox/value";
import { plainText } from "../wire/text-from-host.ts";

const CALL_MS = 15_000;
const ANSWER_LIMIT = 256 << 10;
const MESSAGE_LIMIT = 2000;

const Refusal = Type.Object({
  error: Type.Object({ message: Type.String(), reason: Type.Optional(Type.String()) }),
});

const Credentials = Type.Object({
  host: Type.Object({ id: Type.String() }),
  token: Type.String(),
  refresh_token: Type.String(),
  cert_pem: Type.String(),
  ca_cert_pem: Type.String(),
});

/** What a control plane gives a host. */
export type IssuedCredentials = Static<typeof Credentials>;

export interface Registration {
  readonly token: string;
  /** HOST:PORT at which control planes reach this host's agent. */
  readonly address: string;
  readonly csrPem: string;
  /** The host that this machine is already: a token of another one is refused, and stays good. */
  readonly hostId?: string | undefined;
  readonly arch: string;
  readonly cpuCores: number;
  readonly memoryMib: number;
  readonly diskGb: number;
}

/** The control plane answered with an error status. */
export class ControlPlaneRefusal extends Error {
  readonly status: number;
  /** Of the error catalogue; undefined when something else than a control plane answered. */
  readonly reason: string | undefined;

  constructor(status: number, message: string, reason?: string) {
    super(message);
    this.status = status;
    this.reason = reason;
  }
}

/**
 * Refuses a URL whose requests would cross a network in clear: tokens would be read on the way, and an answer that was forged could
 * have the host destroy its capsules.
 *
 * @throws WrennError `control_plane_insecure`.
 */
export function requireSecureUrl(url: string): void {
  const { protocol, hostname } = URL.parse(url) ?? {};
  const isLoopback =
    hostname === "localhost" || hostname === "[::1]" || /^127(?:\.\d{1,3}){3}$/.test(hostname ?? "");
  if (protocol === "https:" || (protocol === "http:" && isLoopback)) return;
  throw new WrennError("control_plane_insecure", { url });
}

/** What a host says to a control plane over its public API (docs/reference/rest-api.md#hosts). */
export class ControlPlaneClient {
  readonly #url: string;

  /** @param url where the public API is, `https://wrenn.example.org`. */
  constructor(url: string) {
    this.#url = url;
  }

  /** @throws ControlPlaneRefusal, or WrennError `control_plane_unreachable`. */
  async register(request: Registration, signal: AbortSignal): Promise<IssuedCredentials> {
    const body = {
      token: request.token,
      address: request.address,
      csr_pem: request.csrPem,
      ...defined({ host_id: request.hostId }),
      arch: request.arch,
      cpu_cores: request.cpuCores,
      memory_mb: request.memoryMib,
      disk_gb: request.diskGb,
    };
    return Value.Parse(Credentials, await this.#post("/v1/hosts/register", body, {}, signal));
  }

  /** @throws ControlPlaneRefusal, or WrennError `control_plane_unreachable`. */
  async refresh(refreshToken: string, csrPem: string, signal: AbortSignal): Promise<IssuedCredentials> {
    const body = { refresh_token: refreshToken, csr_pem: csrPem };
    return Value.Parse(Credentials, await this.#post("/v1/hosts/auth/refresh", body, {}, signal));
  }

  /** @throws ControlPlaneRefusal (reason `host_not_found`: the host was deleted), or WrennError `control_plane_unreachable`. */
  async heartbeat(hostId: string, token: string, signal: AbortSignal): Promise<void> {
    await this.#post(`/v1/hosts/${hostId}/heartbeat`, undefined, { "x-host-token": token }, signal);
  }

  async #post(
    path: string,
    body: object | undefined,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<unknown> {
    let response: Response;
    try {
      response = await fetch(new URL(path, this.#url), {
        method: "POST",
        headers: { ...headers, ...(body ? { "content-type": "application/json" } : {}) },
        ...(body ? { body: JSON.stringify(body) } : {}),
        redirect: "error",
        signal: AbortSignal.any([signal, AbortSignal.timeout(CALL_MS)]),
      });
    } catch (error) {
      signal.throwIfAborted();
      throw new WrennError("control_plane_unreachable", { url: this.#url }, { cause: error });
    }
    const text = await textOf(response);
    if (response.ok) return text === "" ? undefined : (JSON.parse(text) as unknown);
    const { message = `the control plane answered ${response.status}`, reason } = refusalOf(text);
    throw new ControlPlaneRefusal(response.status, message, reason);
  }
}

/** @throws Error for an answer that is longer than any of a control plane. */
async function textOf(response: Response): Promise<string> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of response.body ?? []) {
    length += part.length;
    if (length > ANSWER_LIMIT) throw new Error("the answer of the control plane is too long");
    parts.push(part);
  }
  return Buffer.concat(parts, length).toString();
}

function refusalOf(text: string): { readonly message?: string; readonly reason?: string } {
  try {
    const { error } = Value.Parse(Refusal, JSON.parse(text));
    return { ...error, message: plainText(error.message, MESSAGE_LIMIT) };
  } catch {
    // Something else than a control plane answered.
    return {};
  }
}
