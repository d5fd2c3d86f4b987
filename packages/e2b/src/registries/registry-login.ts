import { WrennError } from "@wrenn/core";
import { Type } from "typebox";
import type { Static } from "typebox";
import { ecrLogin } from "./ecr-login.ts";
import type { EcrLoginDeps, RegistryPassword } from "./ecr-login.ts";

const MAX_SECRET = 65_536;
/** What the registries of Google take the key of a service account with. */
const GCP_USER = "_json_key";

const Secret = Type.String({ minLength: 1, maxLength: MAX_SECRET });

/** How a client logs in to the registry of an image. */
export const RegistryFields = Type.Union([
  Type.Object({
    type: Type.Literal("registry"),
    username: Type.String({ minLength: 1, maxLength: 1024 }),
    password: Secret,
  }),
  Type.Object({
    type: Type.Literal("aws"),
    awsAccessKeyId: Type.String({ pattern: "^[A-Za-z0-9]{1,128}$" }),
    awsSecretAccessKey: Type.String({ minLength: 1, maxLength: 256 }),
    awsRegion: Type.String({ pattern: "^[a-z]{2,4}(?:-[a-z]{1,16}){1,3}-[0-9]{1,2}$" }),
  }),
  Type.Object({ type: Type.Literal("gcp"), serviceAccountJson: Secret }),
]);

/**
 * User and password for a registry. AWS is asked for them, so that a build knows nothing of the key itself.
 *
 * @throws WrennError `invalid_field` for a key of Google that is none; `registry_login_refused`; `registry_unreachable`.
 */
export async function registryLogin(
  fields: Static<typeof RegistryFields>,
  deps: EcrLoginDeps,
  signal: AbortSignal,
): Promise<RegistryPassword> {
  switch (fields.type) {
    case "registry":
      return { username: fields.username, password: fields.password };
    case "gcp":
      return { username: GCP_USER, password: requireJson(fields.serviceAccountJson) };
    case "aws": {
      const { awsAccessKeyId: accessKeyId, awsSecretAccessKey: secretAccessKey, awsRegion } = fields;
      return await ecrLogin({ accessKeyId, secretAccessKey }, awsRegion, deps, signal);
    }
  }
}

/** The text as it is. The parser's message, which would quote it, is left out. */
function requireJson(text: string): string {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null) return text;
  } catch {
    // As any other value.
  }
  throw new WrennError("invalid_field", {
    field: "fromImageRegistry.serviceAccountJson",
    problem: "must be the JSON of a service account's key",
  });
}
