import { X509Certificate } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { issueKeyAndCertificate, makeAuthority } from "@wrenn/certificates";
import type { CertificateDeps, PemPair } from "@wrenn/certificates";
import { DAY_MS } from "@wrenn/core";
import type { Clock, Random } from "@wrenn/core";
import { readFileIfPresent, writeFileAtomic } from "@wrenn/system";

export interface CertificateStoreOptions {
  /** Directory of the CA and its certificate; made when missing, for the owner only. */
  readonly directory: string;
  readonly domains: readonly string[];
  readonly clock: Clock;
  readonly random: Random;
}

/** What a server with a local CA listens with. */
export interface LocalCertificate extends PemPair {
  /** File of the CA's certificate, for people to install. */
  readonly authorityFile: string;
}

/** An authority stays, because people install it; what it signs is renewed by a restart long before it ends. */
const AUTHORITY_DAYS = 3650;
/** Apple's limit for certificates that are trusted is 825 days, that of browsers for public ones 398. */
const SERVER_DAYS = 397;
/** Clocks of clients may be a little behind. */
const CLOCK_SKEW_MS = DAY_MS;
/** A certificate that ends within this time is made again. */
const RENEW_MS = 30 * DAY_MS;

/**
 * The certificate of this machine's own CA for the domains. CA and certificate are made when they are missing, end
 * soon, or are for other domains.
 *
 * @throws the operating system's error when the directory cannot be written.
 */
export async function localCertificate(options: CertificateStoreOptions): Promise<LocalCertificate> {
  const { directory, domains, clock, random } = options;
  await mkdir(directory, { recursive: true, mode: 0o700 });
  // A CA may only sign for the domains it was made for.
  const name = domains.join("+");
  const paths = {
    authority: join(directory, `authority-${name}`),
    server: join(directory, `server-${name}`),
  };
  let authority = await readPair(paths.authority);
  if (!authority || endsSoon(authority, clock)) {
    authority = await makeAuthority(
      // Limited to the domains, so that its theft opens nothing else.
      { name: "Wrenn local CA", days: AUTHORITY_DAYS, clockSkewMs: CLOCK_SKEW_MS, domains },
      { clock, random },
    );
    await writePair(paths.authority, authority);
  }
  let server = await readPair(paths.server);
  if (!server || endsSoon(server, clock) || !isSignedBy(server, authority)) {
    server = await makeWildcard(authority, domains, { clock, random });
    await writePair(paths.server, server);
  }
  return { ...server, authorityFile: `${paths.authority}.pem` };
}

/** Makes a certificate for each of the domains and every name one label below it. */
async function makeWildcard(
  authority: PemPair,
  domains: readonly string[],
  deps: CertificateDeps,
): Promise<PemPair> {
  const { cert, key } = await issueKeyAndCertificate(
    authority,
    {
      name: domains[0] ?? "wrenn",
      days: SERVER_DAYS,
      clockSkewMs: CLOCK_SKEW_MS,
      usage: "serverAuth",
      alternativeNames: domains.flatMap((domain) => [domain, `*.${domain}`]),
    },
    deps,
  );
  return { cert: `${cert}\n${authority.cert}`, key };
}

async function readPair(path: string): Promise<PemPair | undefined> {
  const cert = await readFileIfPresent(`${path}.pem`);
  const key = await readFileIfPresent(`${path}.key`);
  return cert === undefined || key === undefined ? undefined : { cert, key };
}

/** The key first: a certificate without its key would be taken for a pair that is there. */
async function writePair(path: string, pair: PemPair): Promise<void> {
  await writeFileAtomic(`${path}.key`, pair.key);
  await writeFileAtomic(`${path}.pem`, pair.cert, { mode: 0o644 });
}

function endsSoon(pair: PemPair, clock: Clock): boolean {
  return new X509Certificate(pair.cert).validToDate.getTime() < clock.now() + RENEW_MS;
}

function isSignedBy(pair: PemPair, authority: PemPair): boolean {
  return new X509Certificate(pair.cert).verify(new X509Certificate(authority.cert).publicKey);
}
