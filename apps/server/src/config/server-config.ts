import { join, resolve } from "node:path";
import type {
  AccountLimits,
  RequestRates,
  SignUpMode,
  SmtpServer,
  RetentionRules,
} from "@wrenn/control-plane";
import { defined, WrennError, TrustedProxies } from "@wrenn/core";
import type { ConnectionLimits, SlotLimits } from "@wrenn/network";
import { dataDirectoryOf, localServerFiles } from "@wrenn/system";
import type { AcceleratorChoice, MachineStartMode } from "@wrenn/vmm";
import { readAccountLimits } from "./account-limits.ts";
import { readSignIn } from "./identity-providers.ts";
import type { SignInConfig } from "./identity-providers.ts";
import { readCorsOrigins } from "./cors-origins.ts";
import { readDiskReserve } from "./disk-reserve.ts";
import { readListenerSettings } from "./listener-limits.ts";
import type { ListenerSettings } from "./listener-limits.ts";
import { readMailServer } from "./mail-server.ts";
import { readConnectionLimits, readNetworkLimits, readReachableNetworks } from "./network-limits.ts";
import { readPathPorts } from "./path-ports.ts";
import type { PathPorts } from "./path-ports.ts";
import { readHostNetworks } from "./host-networks.ts";
import { readCapsuleBuffer, readExecOutput, readWorkLimits } from "./work-limits.ts";
import { readRegistries } from "./registries.ts";
import type { RegistryConfig } from "./registries.ts";
import { readRates } from "./request-rates.ts";
import { readRetention } from "./retention.ts";
import { readFirstUse } from "./first-use.ts";
import { readTemplateRefresh } from "./template-refresh.ts";

/** Where a server keeps things and listens; from flags first, then the environment, then defaults. */
export interface ServerConfig {
  /** Capsules, database, credentials: what is lost with this directory is gone. */
  readonly dataDirectory: string;
  /** Kernels, images, frozen templates: rebuilt when missing, shared by every server of the machine. */
  readonly cacheDirectory: string;
  /** Address that the API listens on. */
  readonly host: string;
  readonly port: number;
  /** `{port}-{capsule id}` below it leads to a capsule's port. */
  readonly domain: string;
  /** Serves ports by path too, on a separate host name; see `pathPortsHost`. */
  readonly pathPorts?: PathPorts | undefined;
  /** HTTPS, with the operator's certificate or one of an own CA. */
  readonly tls?: {
    readonly host: string;
    readonly port: number;
    readonly files?: { readonly cert: string; readonly key: string };
  };
  /** A name server that knows the domain and nothing else. */
  readonly dns?: { readonly host: string; readonly port: number };
  /** External PostgreSQL; the embedded one is used without it. */
  readonly databaseUrl: string | undefined;
  /** DNS servers that capsules' names are looked up at, `ADDRESS` or `ADDRESS:PORT`; the host's own without. */
  readonly resolvers?: readonly string[] | undefined;
  /** Registries of images; default: Docker Hub without credentials, and others on the public internet. */
  readonly registries?: RegistryConfig;
  /** Private, connected and published networks that the policies of capsules may open; default: empty. */
  readonly reachableNetworks?: readonly string[];
  /** What machines run on; default: KVM where it runs guest code natively. */
  readonly accelerator?: AcceleratorChoice;
  /** How machines start; default: forked from a loaded QEMU. */
  readonly machineStart?: MachineStartMode;
  /** CPU model of QEMU that machines have under KVM; without it, all that this host's CPU has. */
  readonly cpuModel?: string | undefined;
  /** Seconds after which the memory of a paused capsule is compressed; 0 for never. */
  readonly packAfterSec?: number | undefined;
  /** Machines kept waiting for capsules of the templates that are used most; default: by the size of the host. */
  readonly warmMachines?: number | undefined;
  /** Machines of paused capsules that are kept stopped, at most; default: by the memory of the host. */
  readonly parkedMachines?: number | undefined;
  /** Milliseconds between two refreshes of the built-in template; without it, it is refreshed by hand only. */
  readonly templateRefreshMs?: number | undefined;
  /** Whether a create that names a built-in template which is not built yet has it built. Default: true. */
  readonly buildsOnFirstUse?: boolean;
  /** Milliseconds from its arrival after which a create answers with a capsule that is still being made; without it, it never does. */
  readonly createAnswerMs?: number | undefined;
  /** Networks that hosts of teams may be in besides the internet. */
  readonly hostNetworks?: readonly string[] | undefined;
  /** How many times the memory and the disk of a host are promised to capsules. */
  readonly overcommit?: { readonly memory: number; readonly disk: number };
  /** Bytes of a file system of this size that capsules leave free; default: see docs/operations/limits.md. */
  readonly diskReserve?: ((totalBytes: number) => number) | undefined;
  /** How long saved states are kept; see docs/operations/limits.md. */
  readonly retention?: RetentionRules;
  /** Where people reach this server, for mails and sign-in: `https://wrenn.example.org`; see {@link publicUrlOf}. */
  readonly publicUrl?: string | undefined;
  /** Who may make an account; see docs/operations/sign-up.md. */
  readonly signUpMode?: SignUpMode | undefined;
  /** How much accounts may have and leave; see docs/operations/limits.md. */
  readonly accountLimits?: Partial<AccountLimits>;
  /** Services whose accounts people may log in by. */
  readonly signIn?: SignInConfig;
  /** What one capsule may take of this host's network; new slots get it. */
  readonly networkLimits?: Partial<SlotLimits>;
  /** What all capsules of a team may take of this host's table of connections. */
  readonly connectionLimits?: Partial<ConnectionLimits>;
  /** How often clients may call the API; see docs/operations/limits.md. */
  readonly rates?: Partial<RequestRates>;
  /** How many connections clients may have. */
  readonly connections?: ListenerSettings;
  /** Proxies in front of the server, whose word about a client is believed. */
  readonly proxies?: TrustedProxies | undefined;
  /** How many calls and sessions of capsules may be under way. */
  readonly work?: ReturnType<typeof readWorkLimits>;
  /** Bytes that this host holds in memory for one capsule. */
  readonly capsuleBufferBytes?: number | undefined;
  /** Bytes that the answer of a foreground command keeps of each stream. */
  readonly execOutputBytes?: number | undefined;
  /** Exact origins of pages that may use the API. */
  readonly corsOrigins?: readonly string[];
  /** Takes mails to people; without it what they are to be told is in the log. */
  readonly mailServer?: SmtpServer | undefined;
}

/** @throws WrennError `invalid_field` when an address does not parse. */
export function readConfig(env: Readonly<Record<string, string | undefined>>, listen?: string): ServerConfig {
  const { host, port } = parseListen(listen ?? env["WRENN_LISTEN"] ?? "127.0.0.1:8080");
  return {
    // Other programs are told these paths, and have working directories of their own.
    dataDirectory: dataDirectoryOf(env),
    cacheDirectory: resolve(env["WRENN_CACHE_DIR"] ?? "/var/cache/wrenn"),
    host,
    port,
    domain: (env["WRENN_DOMAIN"] ?? "localhost").toLowerCase(),
    pathPorts: readPathPorts(env),
    databaseUrl: env["DATABASE_URL"],
    resolvers: env["WRENN_RESOLVERS"]?.split(",").map((text) => text.trim()),
    accelerator: parseAccelerator(env["WRENN_ACCELERATOR"] ?? "auto"),
    machineStart: parseMachineStart(env["WRENN_MACHINE_START"] ?? "zygote"),
    ...(env["WRENN_CPU_MODEL"] === undefined ? {} : { cpuModel: parseCpuModel(env["WRENN_CPU_MODEL"]) }),
    ...(env["WRENN_PACK_AFTER_SEC"] === undefined
      ? {}
      : { packAfterSec: parseCount("WRENN_PACK_AFTER_SEC", env["WRENN_PACK_AFTER_SEC"], 999_999_999) }),
    ...(env["WRENN_WARM_MACHINES"] === undefined
      ? {}
      : { warmMachines: parseCount("WRENN_WARM_MACHINES", env["WRENN_WARM_MACHINES"], 64) }),
    ...(env["WRENN_PARKED_MACHINES"] === undefined
      ? {}
      : { parkedMachines: parseCount("WRENN_PARKED_MACHINES", env["WRENN_PARKED_MACHINES"], 64) }),
    createAnswerMs: 1000 * parseSeconds("WRENN_CREATE_WAIT", env["WRENN_CREATE_WAIT"] ?? "2", 600),
    templateRefreshMs: readTemplateRefresh(env),
    buildsOnFirstUse: readFirstUse(env),
    diskReserve: readDiskReserve(env),
    retention: readRetention(env),
    publicUrl: env["WRENN_PUBLIC_URL"]?.replace(/\/+$/, ""),
    signUpMode: parseSignUpMode(env["WRENN_SIGN_UP"]),
    accountLimits: readAccountLimits(env),
    signIn: readSignIn(env),
    rates: readRates(env),
    connections: readListenerSettings(env),
    ...(env["WRENN_TRUSTED_PROXIES"] === undefined
      ? {}
      : { proxies: TrustedProxies.parse("WRENN_TRUSTED_PROXIES", env["WRENN_TRUSTED_PROXIES"]) }),
    work: readWorkLimits(env),
    capsuleBufferBytes: readCapsuleBuffer(env),
    execOutputBytes: readExecOutput(env),
    corsOrigins: readCorsOrigins(env["WRENN_CORS_ORIGINS"]),
    mailServer: readMailServer(env),
    networkLimits: readNetworkLimits(env),
    connectionLimits: readConnectionLimits(env),
    reachableNetworks: readReachableNetworks(env),
    registries: readRegistries(env),
    ...defined({ hostNetworks: readHostNetworks(env["WRENN_HOST_NETWORKS"]) }),
    overcommit: {
      memory: parseCount("WRENN_MEMORY_OVERCOMMIT", env["WRENN_MEMORY_OVERCOMMIT"] ?? "8", 1000),
      disk: parseCount("WRENN_DISK_OVERCOMMIT", env["WRENN_DISK_OVERCOMMIT"] ?? "20", 1000),
    },
  };
}

/** Where people reach the server when nothing else is said: over TLS where it is served. */
export function publicUrlOf({ publicUrl, domain, port, tls }: ServerConfig): string {
  return publicUrl ?? (tls ? `https://${domain}:${tls.port}` : `http://${domain}:${port}`);
}

/** What the command line adds to the environment. */
export interface ListenFlags {
  readonly domain?: string;
  readonly tls?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly dns?: string;
}

/** @throws WrennError `invalid_field` when an address does not parse, or a certificate comes without its key. */
export function withFlags(config: ServerConfig, flags: ListenFlags): ServerConfig {
  const { domain, tls, tlsCert, tlsKey, dns } = flags;
  if ((tlsCert === undefined) !== (tlsKey === undefined))
    throw new WrennError("invalid_field", { field: "--tls-cert and --tls-key", problem: "belong together" });
  const files = tlsCert !== undefined && tlsKey !== undefined ? { cert: tlsCert, key: tlsKey } : undefined;
  return {
    ...config,
    ...defined({
      domain: domain?.toLowerCase(),
      tls: tls === undefined ? undefined : { ...parseListen(tls), ...defined({ files }) },
      dns: dns === undefined ? undefined : parseListen(dns),
    }),
  };
}

/** Files below the data directory. */
export function dataPaths(dataDirectory: string) {
  return {
    capsules: join(dataDirectory, "capsules"),
    /** Disk layers that capsules share. */
    layers: join(dataDirectory, "layers"),
    /** Frozen templates that capsules and templates made of them depend on. */
    bases: join(dataDirectory, "bases"),
    templateImages: join(dataDirectory, "template-images"),
    /** Templates made of capsules. */
    templates: join(dataDirectory, "templates"),
    /** Moments of builds that later builds start from. */
    moments: join(dataDirectory, "moments"),
    /** Archives of images that clients have sent, until their builds have ended. */
    imageArchives: join(dataDirectory, "image-archives"),
    network: join(dataDirectory, "network"),
    database: join(dataDirectory, "database"),
    /** What machines ran on at the last start. */
    accelerator: join(dataDirectory, "accelerator.json"),
    /** Which host and which control plane this is. */
    installation: join(dataDirectory, "installation.json"),
    /** What this machine was given when it joined a control plane elsewhere. */
    joinedHost: join(dataDirectory, "joined-host.json"),
    /** The own CA and its certificate. */
    tls: join(dataDirectory, "tls"),
    ...localServerFiles(dataDirectory),
    /** Opens `/metrics` to collectors. */
    metricsToken: join(dataDirectory, "metrics-token"),
  } as const;
}

function parseSignUpMode(text: string | undefined): SignUpMode | undefined {
  if (text === undefined || text === "open" || text === "invite" || text === "closed") return text;
  throw new WrennError("invalid_field", {
    field: "WRENN_SIGN_UP",
    problem: `must be open, invite or closed, not '${text}'`,
  });
}

function parseAccelerator(text: string): AcceleratorChoice {
  if (text === "auto" || text === "kvm" || text === "tcg") return text;
  throw new WrennError("invalid_field", {
    field: "WRENN_ACCELERATOR",
    problem: `must be auto, kvm or tcg, not '${text}'`,
  });
}

function parseMachineStart(text: string): MachineStartMode {
  if (text === "zygote" || text === "exec") return text;
  throw new WrennError("invalid_field", {
    field: "WRENN_MACHINE_START",
    problem: `must be zygote or exec, not '${text}'`,
  });
}

/** A name and nothing else: what follows a comma would be options of QEMU. */
function parseCpuModel(text: string): string {
  if (/^[A-Za-z0-9._-]{1,64}$/.test(text)) return text;
  throw new WrennError("invalid_field", {
    field: "WRENN_CPU_MODEL",
    problem: `must be the name of a CPU model of QEMU, such as EPYC or Skylake-Server-v4, not '${text}'`,
  });
}

function parseCount(field: string, text: string, most: number): number {
  if (/^\d{1,9}$/.test(text) && Number(text) <= most) return Number(text);
  throw new WrennError("invalid_field", {
    field,
    problem: `must be a number from 0 to ${most}, not '${text}'`,
  });
}

function parseSeconds(field: string, text: string, most: number): number {
  if (/^\d{1,9}(\.\d{1,3})?$/.test(text) && Number(text) <= most) return Number(text);
  throw new WrennError("invalid_field", {
    field,
    problem: `must be seconds from 0 to ${most}, such as 2.5, not '${text}'`,
  });
}

function parseListen(text: string): { readonly host: string; readonly port: number } {
  const match = /^(?:\[([0-9a-fA-F:]+)\]|([^:\s]*)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (!match || port > 65_535) {
    throw new WrennError("invalid_field", {
      field: "listen",
      problem: `must be ADDRESS:PORT, not '${text}'`,
    });
  }
  return { host: match[1] ?? (match[2] || "0.0.0.0"), port };
}
