import type { Capsule, ListeningPort, PortAccess, PortLink, PortSetting } from "@wrenn/sdk";
import type { Context } from "../context.ts";
import { ClientError } from "../errors/client-error.ts";
import { renderTable } from "../output/table.ts";
import type { Column } from "../output/table.ts";
import { openInBrowser } from "../terminal/open-in-browser.ts";

export interface PortListOptions {
  readonly links?: boolean;
}

export interface SignOptions {
  /** Milliseconds. */
  readonly ttl?: number;
  readonly path: string;
}

export interface UnsignOptions {
  readonly port?: number;
  readonly all?: boolean;
}

export interface OpenOptions {
  readonly path: string;
  /** False: print the address only. */
  readonly browser: boolean;
}

/** A socket that listens, or a port whose access was set and where nothing does. */
type ListedPort = Partial<ListeningPort> & PortSetting & { readonly isListening: boolean };

const portColumns: readonly Column<ListedPort>[] = [
  { title: "port", value: ({ port }) => String(port), isNumber: true },
  { title: "protocol", value: ({ protocol = "tcp" }) => protocol },
  { title: "address", value: ({ address = "" }) => address },
  { title: "process", value: ({ process = "" }) => process },
  { title: "access", value: ({ access }) => access },
  {
    title: "url",
    value: ({ url, isListening, isReachable }) => (isListening && isReachable !== true ? "" : url),
  },
];

const linkColumns: readonly Column<PortLink>[] = [
  { title: "link", value: ({ id }) => id },
  { title: "port", value: ({ port }) => String(port), isNumber: true },
  { title: "created", value: ({ createdAt }) => createdAt.toISOString() },
  { title: "expires", value: ({ expiresAt }) => expiresAt.toISOString() },
];

/** Lists what listens in a capsule and ports whose access was set, or its signed links. */
export async function list(context: Context, reference: string, { links }: PortListOptions): Promise<void> {
  const { signal, output } = context;
  const capsule = await context.capsule(reference);
  if (links === true) {
    const found = await capsule.links({ signal });
    output.data(found, () => renderTable(linkColumns, found));
    return;
  }
  const { ports, unlisted } = await capsule.ports({ signal });
  const settings = await capsule.portSettings({ signal });
  const listening = new Set(ports.filter(({ protocol }) => protocol === "tcp").map(({ port }) => port));
  const found: ListedPort[] = [
    ...ports.map((one) => ({ ...one, url: one.url ?? "", isListening: true })),
    ...settings.filter(({ port }) => !listening.has(port)).map((one) => ({ ...one, isListening: false })),
  ];
  output.data(found, () => renderTable(portColumns, found));
  if (unlisted > 0) output.note(`wrenn: ${unlisted} more sockets listen, which the server does not list`);
}

/** Sets who may use a port. */
export async function set(
  context: Context,
  reference: string,
  port: number,
  access: PortAccess,
): Promise<void> {
  const capsule = await context.capsule(reference);
  const setting = await capsule.setPortAccess(port, access, { signal: context.signal });
  context.output.data(setting, () => `${setting.url}\n`);
}

/** Prints the address of a new signed link; its id on standard error, since it revokes the link. */
export async function sign(
  context: Context,
  reference: string,
  port: number,
  { ttl: ttlMs, path }: SignOptions,
): Promise<void> {
  const { signal, output } = context;
  const capsule = await context.capsule(reference);
  const link = await capsule.createLink(port, { ttlMs, path, signal });
  output.data(link, () => `${link.url}\n`);
  if (!output.isJson)
    output.note(
      `It works until ${link.expiresAt.toISOString()}; \`wrenn port unsign ${capsule.id} ${link.id}\` revokes it.`,
    );
}

/** Revokes signed links and prints their ids. */
export async function unsign(
  context: Context,
  reference: string,
  ids: readonly string[],
  { port, all }: UnsignOptions,
): Promise<void> {
  const { signal, output } = context;
  if (ids.length === 0 && port === undefined && all !== true)
    throw new ClientError(
      "usage",
      "usage",
      "no link is named",
      "Name links, or pass --port PORT or --all; `wrenn port ls --links` lists them.",
    );
  const capsule = await context.capsule(reference);
  const links = await capsule.links({ ...(port === undefined ? {} : { port }), signal });
  const unknown = ids.find((id) => !links.some((link) => link.id === id));
  if (unknown !== undefined)
    throw new ClientError(
      "notFound",
      "link_unknown",
      `there is no link '${unknown}' to capsule ${capsule.id} that works`,
      "`wrenn port ls --links` lists the links.",
    );
  const revoked = ids.length === 0 ? links : links.filter(({ id }) => ids.includes(id));
  for (const link of revoked) await capsule.revokeLink(link, { signal });
  output.data(
    revoked.map(({ id }) => ({ id })),
    () => revoked.map(({ id }) => `${id}\n`).join(""),
  );
}

/** Prints the address of a port and opens it in the browser. */
export async function open(
  context: Context,
  reference: string,
  port: number,
  { path, browser }: OpenOptions,
): Promise<void> {
  const capsule = await context.capsule(reference);
  const url = await addressFor(capsule, port, path, context.signal);
  context.output.data({ url }, () => `${url}\n`);
  if (browser && !(await openInBrowser(url, context.terminal.env)))
    context.output.note("wrenn: there is no browser here: open the address yourself");
}

/** What a browser without credentials can open. */
async function addressFor(
  capsule: Capsule,
  port: number,
  path: string,
  signal: AbortSignal,
): Promise<string> {
  const settings = await capsule.portSettings({ signal });
  const isPublic = settings.some((one) => one.port === port && one.access === "public");
  return isPublic
    ? await capsule.getUrl(port, { path, signal })
    : await capsule.signedUrl(port, { path, signal });
}
