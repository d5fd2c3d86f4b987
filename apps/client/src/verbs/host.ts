import { accountCall } from "../accounts/account-call.ts";
import { readTeams, pickTeam } from "../accounts/teams.ts";
import type { Context } from "../context.ts";
import { ageText, sizeText } from "../output/describe-capsule.ts";
import { pickOne } from "../output/pick-one.ts";
import { renderTable } from "../output/table.ts";
import type { AccountSchemas } from "../wire/generated/account-types.ts";

export interface NewHostOptions {
  readonly team?: string;
  readonly provider?: string;
  readonly zone?: string;
}

/** A host as this program prints it. */
export interface HostDocument {
  readonly id: string;
  readonly type: string;
  readonly status: string;
  readonly teamId?: string;
  readonly provider?: string;
  readonly availabilityZone?: string;
  readonly arch?: string;
  readonly cpuCores?: number;
  readonly memoryMib?: number;
  /** 10⁹ bytes. */
  readonly diskGb?: number;
  readonly address?: string;
  readonly lastHeartbeatAt?: Date;
  readonly createdAt: Date;
  /** With which the machine joins, of a new one only. */
  readonly registrationToken?: string;
}

/** Lists the hosts that the person may see. */
export async function list(context: Context): Promise<void> {
  const hosts = await readHosts(context);
  const now = Date.now();
  context.output.data(hosts, () =>
    renderTable<HostDocument>(
      [
        { title: "id", value: ({ id }) => id },
        { title: "status", value: ({ status }) => status },
        { title: "type", value: ({ type }) => type },
        { title: "arch", value: ({ arch = "" }) => arch },
        { title: "cpus", value: ({ cpuCores }) => String(cpuCores ?? ""), isNumber: true },
        {
          title: "memory",
          value: ({ memoryMib }) => (memoryMib === undefined ? "" : sizeText(memoryMib)),
          isNumber: true,
        },
        {
          title: "disk",
          value: ({ diskGb }) => (diskGb === undefined ? "" : `${diskGb} GB`),
          isNumber: true,
        },
        { title: "address", value: ({ address = "" }) => address },
        {
          title: "seen",
          value: ({ lastHeartbeatAt }) => (lastHeartbeatAt ? `${ageText(lastHeartbeatAt, now)} ago` : ""),
        },
      ],
      hosts,
    ),
  );
}

/** Announces a host and prints the token that registers it, to standard output only. */
export async function register(context: Context, { team, provider, zone }: NewHostOptions): Promise<void> {
  const teamId = team === undefined ? undefined : pickTeam(team, await readTeams(context)).id;
  const made = await accountCall(context, "POST /v1/hosts", {
    body: {
      ...(teamId === undefined ? { type: "regular" } : { type: "byoc", team_id: teamId }),
      ...(provider === undefined ? {} : { provider }),
      ...(zone === undefined ? {} : { availability_zone: zone }),
    },
  });
  const { registration_token: registrationToken, host } = made;
  context.output.data({ ...hostDocument(host), registrationToken }, () => `${registrationToken}\n`);
  const { url } = await context.connection();
  context.output.note(
    `Host ${host.id} is announced. Within an hour, on that machine: WRENN_HOST_TOKEN=<token> ./wrenn host join --url ${url}`,
  );
}

/** Lets hosts take no new capsules, or take them again. */
export async function drain(
  context: Context,
  references: readonly string[],
  isDraining: boolean,
): Promise<void> {
  const changed: HostDocument[] = [];
  for (const { id } of await findHosts(context, references)) {
    const request = { path: { id }, body: { enabled: isDraining } };
    changed.push(hostDocument(await accountCall(context, "POST /v1/hosts/{id}/drain", request)));
  }
  context.output.data(changed, () => changed.map(({ id, status }) => `${id} ${status}\n`).join(""));
}

/** Gives up hosts; with `force` what is on them, too. */
export async function remove(
  context: Context,
  references: readonly string[],
  { force = false }: { readonly force?: boolean },
): Promise<void> {
  const found = await findHosts(context, references);
  for (const { id } of found)
    await accountCall(context, "DELETE /v1/hosts/{id}", { path: { id }, ...(force && { query: { force } }) });
  context.output.data(
    found.map(({ id }) => ({ id })),
    () => found.map(({ id }) => `${id}\n`).join(""),
  );
}

async function readHosts(context: Context): Promise<readonly HostDocument[]> {
  return (await accountCall(context, "GET /v1/hosts")).map(hostDocument);
}

/** All of them, before the first is changed. */
async function findHosts(context: Context, references: readonly string[]): Promise<readonly HostDocument[]> {
  const hosts = await readHosts(context);
  return references.map((reference) =>
    pickOne(reference, hosts, {
      kind: "host",
      idOf: ({ id }) => id,
      namesOf: ({ address }) => [address],
      list: "wrenn host ls",
    }),
  );
}

function hostDocument(wire: AccountSchemas["Host"]): HostDocument {
  const { id, type, status, created_at: createdAt, last_heartbeat_at: lastHeartbeatAt } = wire;
  const optional = {
    teamId: wire.team_id,
    provider: wire.provider,
    availabilityZone: wire.availability_zone,
    arch: wire.arch,
    cpuCores: wire.cpu_cores,
    memoryMib: wire.memory_mb,
    diskGb: wire.disk_gb,
    address: wire.address,
    lastHeartbeatAt: lastHeartbeatAt === undefined ? undefined : new Date(lastHeartbeatAt),
  };
  const present = Object.entries(optional).filter(([, value]) => value !== undefined);
  return {
    id,
    type,
    status,
    ...(Object.fromEntries(present) as Partial<HostDocument>),
    createdAt: new Date(createdAt),
  };
}
