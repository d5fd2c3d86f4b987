import { boundedJson, problemOf, withDeadline, WrennError } from "@wrenn/core";
import type { Clock } from "@wrenn/core";
import { Type } from "typebox";
import { Value } from "typebox/value";
import { signAwsRequest } from "./sign-aws-request.ts";
import type { AwsCredentials } from "./sign-aws-request.ts";

const ANSWER_MS = 10_000;
/** A token is about 2 KiB. */
const MAX_BYTES = 64 * 1024;
const TARGET = "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken";
const OK = 200;
const SERVER_FAULT = 500;

const Answer = Type.Object({
  authorizationData: Type.Array(Type.Object({ authorizationToken: Type.String({ maxLength: 16_384 }) }), {
    minItems: 1,
  }),
});
const Refusal = Type.Object({ __type: Type.String({ pattern: "^[A-Za-z0-9.#]{1,128}$" }) });

/** The password of a user at a registry. */
export interface RegistryPassword {
  readonly username: string;
  readonly password: string;
}

export interface EcrLoginDeps {
  /** Reaches the public internet in the ways that registries are reached. */
  readonly fetch: typeof fetch;
  readonly clock: Clock;
}

/**
 * Asks AWS for a password of its registry in a region, which is good for 12 hours. The secret of the key is not sent, and is not part
 * of any error.
 *
 * @param region - such as `eu-central-1`; the caller has made sure that it is one.
 * @throws WrennError `registry_login_refused`; `registry_unreachable`.
 */
export async function ecrLogin(
  credentials: AwsCredentials,
  region: string,
  { fetch, clock }: EcrLoginDeps,
  signal: AbortSignal,
): Promise<RegistryPassword> {
  const url = new URL(`https://api.ecr.${region}.amazonaws.com${region.startsWith("cn-") ? ".cn" : ""}/`);
  const body = "{}";
  const { host: _host, ...headers } = signAwsRequest(
    {
      method: "POST",
      url,
      headers: { "content-type": "application/x-amz-json-1.1", "x-amz-target": TARGET },
      body,
    },
    credentials,
    { region, service: "ecr", at: new Date(clock.now()) },
  );
  const unusable = (problem: string, cause?: unknown): WrennError =>
    new WrennError("registry_unreachable", { registry: url.host, problem }, { cause });
  let status: number;
  let json: unknown;
  try {
    [status, json] = await withDeadline("its answer", ANSWER_MS, signal, async (within) => {
      const response = await fetch(url, {
        method: "POST",
        headers,
        body,
        redirect: "manual",
        signal: within,
      });
      return [response.status, await boundedJson(response, MAX_BYTES)] as const;
    });
  } catch (error) {
    if (WrennError.is(error, "registry_unreachable")) throw error;
    throw unusable(problemOf(error), error);
  }
  if (status !== OK) {
    const reason = Value.Check(Refusal, json) ? json.__type.replace(/^.*#/, "") : `status ${status}`;
    if (status >= SERVER_FAULT) throw unusable(`it answers ${reason}`);
    throw new WrennError("registry_login_refused", { registry: url.host, problem: reason });
  }
  const [data] = Value.Check(Answer, json) ? json.authorizationData : [];
  const [, username, password] =
    /^([^:]{1,64}):(.+)$/s.exec(Buffer.from(data?.authorizationToken ?? "", "base64").toString("utf8")) ?? [];
  if (username === undefined || password === undefined) throw unusable("it answers without a password");
  return { username, password };
}
