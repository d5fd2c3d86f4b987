import type { Clock, Random } from "@wrenn/core";

/** A certificate and its private key, both PEM. */
export interface PemPair {
  readonly cert: string;
  readonly key: string;
}

/** A CA stays, because people install it; what it signs is renewed by a restart long before it ends. */
const AUTHORITY_DAYS = 3650;
/** Apple's limit for certificates that are trusted is 825 days, that of browsers for public ones 398. */
const LEAF_DAYS = 397;
const DAY_MS = 86_400_000;
const KEYS = { name: "ECDSA", namedCurve: "P-256" } as const;
const SIGNATURE = { name: "ECDSA", hash: "SHA-256" } as const;

/** Loaded when a certificate is made, which is rare; it wants the metadata API to be there before it. */
async function loadX509() {
  await import("reflect-metadata");
  return import("@peculiar/x509");
}

type X509 = Awaited<ReturnType<typeof loadX509>>;

/** Certificates of a small CA of this machine's own, for names that no public CA certifies. */
export class CertificateMaker {
  readonly #clock: Clock;
  readonly #random: Random;

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  /** Makes a CA that may sign for names below `domains` only, so that its theft opens nothing else. */
  async makeAuthority(domains: readonly string[]): Promise<PemPair> {
    const x509 = await loadX509();
    const keys = await crypto.subtle.generateKey(KEYS, true, ["sign", "verify"]);
    const name = "CN=Wrenn local CA";
    const cert = await x509.X509CertificateGenerator.createSelfSigned({
      ...this.#common(AUTHORITY_DAYS),
      name,
      keys,
      extensions: [
        new x509.BasicConstraintsExtension(true, 0, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
        new x509.Extension("2.5.29.30", true, nameConstraints(domains)),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      ],
    });
    return { cert: cert.toString("pem"), key: await pemOf(x509, keys.privateKey) };
  }

  /** Makes a certificate for each of the domains and every name one label below it. */
  async makeWildcard(authority: PemPair, domains: readonly string[]): Promise<PemPair> {
    const x509 = await loadX509();
    const issuer = new x509.X509Certificate(authority.cert);
    const signingKey = await crypto.subtle.importKey(
      "pkcs8",
      x509.PemConverter.decodeFirst(authority.key),
      KEYS,
      false,
      ["sign"],
    );
    const keys = await crypto.subtle.generateKey(KEYS, true, ["sign", "verify"]);
    const names = domains.flatMap((domain) => [domain, `*.${domain}`]);
    const cert = await x509.X509CertificateGenerator.create({
      ...this.#common(LEAF_DAYS),
      subject: `CN=${domains[0] ?? "wrenn"}`,
      issuer: issuer.subject,
      publicKey: keys.publicKey,
      signingKey,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
        new x509.SubjectAlternativeNameExtension(names.map((value) => ({ type: "dns", value }))),
        await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      ],
    });
    return { cert: cert.toString("pem") + "\n" + authority.cert, key: await pemOf(x509, keys.privateKey) };
  }

  #common(days: number) {
    const now = this.#clock.now();
    const serial = this.#random.bytes(16);
    // A serial number is positive and as short as it can be (RFC 5280 §4.1.2.2).
    serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40;
    return {
      serialNumber: Buffer.from(serial).toString("hex"),
      // Clocks of clients may be a little behind.
      notBefore: new Date(now - DAY_MS),
      notAfter: new Date(now + days * DAY_MS),
      signingAlgorithm: SIGNATURE,
    };
  }
}

/** NameConstraints (RFC 5280 §4.2.1.10) with permitted DNS subtrees, as DER. */
function nameConstraints(domains: readonly string[]): Buffer<ArrayBuffer> {
  const subtrees = domains.map((domain) => der(0x30, der(0x82, Buffer.from(domain, "latin1"))));
  return der(0x30, der(0xa0, Buffer.concat(subtrees)));
}

function der(tag: number, content: Buffer): Buffer<ArrayBuffer> {
  const { length } = content;
  const size = length < 0x80 ? [length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

async function pemOf(x509: X509, key: CryptoKey): Promise<string> {
  return x509.PemConverter.encode(await crypto.subtle.exportKey("pkcs8", key), "PRIVATE KEY");
}
