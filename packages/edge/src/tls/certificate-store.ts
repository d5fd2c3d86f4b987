import { X509Certificate } from "node:crypto";
import { mkdir, readFile, writeFile, rename } from "node:fs/promises";
import { join } from "node:path";
import type { Clock, Random } from "@wrenn/core";
import { CertificateMaker } from "@wrenn/certificates";
import type { PemPair } from "@wrenn/certificates";

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

/** A certificate that ends within this time is made again. */
const RENEW_MS = 30 * 86_400_000;

/**
 * The certificate of this machine's own CA for the domains. CA and certificate are made when they are missing, end
 * soon, or are for other domains.
 *
 * @throws the operating system's error when the directory cannot be written.
 */
export async function localCertificate(options: CertificateStoreOptions): Promise<LocalCertificate> {
  const { directory, domains, clock, random } = options;
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const maker = new CertificateMaker(clock, random);
  // A CA may only sign for the domains it was made for.
  const name = domains.join("+");
  const paths = {
    authority: join(directory, `authority-${name}`),
    server: join(directory, `server-${name}`),
  };
  let authority = await readPair(paths.authority);
  if (!authority || endsSoon(authority, clock)) {
    authority = await maker.makeAuthority(domains);
    await writePair(paths.authority, authority);
  }
  let server = await readPair(paths.server);
  if (!server || endsSoon(server, clock) || !isSignedBy(server, authority)) {
    server = await maker.makeWildcard(authority, domains);
    await writePair(paths.server, server);
  }
  return { ...server, authorityFile: `${paths.authority}.pem` };
}

async function readPair(path: string): Promise<PemPair | undefined> {
  try {
    return { cert: await readFile(`${path}.pem`, "utf8"), key: await readFile(`${path}.key`, "utf8") };
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

/** The key first: a certificate without its key would be taken for a pair that is there. */
async function writePair(path: string, pair: PemPair): Promise<void> {
  await writeWhole(`${path}.key`, pair.key, 0o600);
  await writeWhole(`${path}.pem`, pair.cert, 0o644);
}

async function writeWhole(path: string, text: string, mode: number): Promise<void> {
  await writeFile(`${path}.new`, text, { mode });
  await rename(`${path}.new`, path);
}

function endsSoon(pair: PemPair, clock: Clock): boolean {
  return new X509Certificate(pair.cert).validToDate.getTime() < clock.now() + RENEW_MS;
}

function isSignedBy(pair: PemPair, authority: PemPair): boolean {
  return new X509Certificate(pair.cert).verify(new X509Certificate(authority.cert).publicKey);
}
