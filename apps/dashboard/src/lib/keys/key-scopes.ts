import type { PageObject } from "#lib/api/page-calls.ts";

export type KeyScope = PageObject<"ApiKey">["scopes"][number];

/** What each scope of a key allows. */
export const keyScopes: readonly { readonly name: KeyScope; readonly meaning: string }[] = [
  { name: "read", meaning: "see capsules, files and events" },
  { name: "run", meaning: "create and use capsules" },
  { name: "manage", meaning: "templates, hosts and channels" },
  { name: "ports", meaning: "open ports to everybody" },
  { name: "egress", meaning: "widen what capsules may reach" },
];

export type KeyForm = "wrenn" | "e2b";

/** How a key can look. Keys of both forms work everywhere. */
export const keyForms: readonly {
  readonly name: KeyForm;
  readonly prefix: string;
  readonly meaning: string;
}[] = [
  { name: "wrenn", prefix: "wrn_", meaning: "for programs, the command line and SDKs" },
  { name: "e2b", prefix: "e2b_", meaning: "for clients of E2B, too" },
];

const DAY_SEC = 86_400;

/** How long a key may work. */
export const keyLifetimes: readonly { readonly label: string; readonly seconds: number | undefined }[] = [
  { label: "7 days", seconds: 7 * DAY_SEC },
  { label: "30 days", seconds: 30 * DAY_SEC },
  { label: "90 days", seconds: 90 * DAY_SEC },
  { label: "a year", seconds: 365 * DAY_SEC },
  { label: "never", seconds: undefined },
];
