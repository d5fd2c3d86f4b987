import { isIP } from "node:net";
import { DAY_MS } from "@wrenn/core";
import type { Clock, Random } from "@wrenn/core";
import { keyOfPem, loadX509, makeKeys, pemOfKey, SIGNATURE } from "./x509.ts";
import type { PemPair } from "./x509.ts";

const NAME_CONSTRAINTS = "2.5.29.30";

export interface CertificateDeps {
  readonly clock: Clock;
  readonly random: Random;
}

interface Validity {
  readonly days: number;
  /** How far the clocks of those who verify it may be behind. */
  readonly clockSkewMs: number;
}

export interface AuthorityOptions extends Validity {
  /** Common name. */
  readonly name: string;
  /** Domains that it may sign for, names below them included. Default: every name. */
  readonly domains?: readonly string[];
}

export interface CertificateOptions extends Validity {
  /** Common name. */
  readonly name: string;
  readonly usage: "serverAuth" | "clientAuth";
  /** DNS names, possibly with a wildcard, and IP addresses. */
  readonly alternativeNames?: readonly string[];
}

export interface IssuedCertificate {
  /** PEM. */
  readonly cert: string;
  readonly expiresAt: Date;
}

/** Makes an authority that signs certificates but no further authorities. */
export async function makeAuthority(options: AuthorityOptions, deps: CertificateDeps): Promise<PemPair> {
  const x509 = await loadX509();
  const keys = await makeKeys();
  const cert = await x509.X509CertificateGenerator.createSelfSigned({
    ...common(options, deps),
    name: `CN=${options.name}`,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      ...(options.domains
        ? [new x509.Extension(NAME_CONSTRAINTS, true, await nameConstraints(options.domains))]
        : []),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { cert: cert.toString("pem"), key: await pemOfKey(x509, keys.privateKey) };
}

/** Signs a certificate for a public key. */
export async function issueCertificate(
  authority: PemPair,
  publicKey: CryptoKey,
  options: CertificateOptions,
  deps: CertificateDeps,
): Promise<IssuedCertificate> {
  const x509 = await loadX509();
  const issuer = new x509.X509Certificate(authority.cert);
  const fields = common(options, deps);
  const cert = await x509.X509CertificateGenerator.create({
    ...fields,
    subject: `CN=${options.name}`,
    issuer: issuer.subject,
    publicKey,
    signingKey: await keyOfPem(x509, authority.key),
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage[options.usage]]),
      ...(options.alternativeNames
        ? [
            new x509.SubjectAlternativeNameExtension(
              options.alternativeNames.map((value) => ({ type: isIP(value) === 0 ? "dns" : "ip", value })),
            ),
          ]
        : []),
      await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey),
      await x509.SubjectKeyIdentifierExtension.create(publicKey),
    ],
  });
  return { cert: cert.toString("pem"), expiresAt: fields.notAfter };
}

/** Makes a key and signs a certificate for it. */
export async function issueKeyAndCertificate(
  authority: PemPair,
  options: CertificateOptions,
  deps: CertificateDeps,
): Promise<IssuedCertificate & PemPair> {
  const keys = await makeKeys();
  const issued = await issueCertificate(authority, keys.publicKey, options, deps);
  return { ...issued, key: await pemOfKey(await loadX509(), keys.privateKey) };
}

function common({ days, clockSkewMs }: Validity, { clock, random }: CertificateDeps) {
  const now = clock.now();
  const serial = random.bytes(16);
  // A serial number is positive and as short as it can be (RFC 5280 §4.1.2.2).
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40;
  return {
    serialNumber: Buffer.from(serial).toString("hex"),
    notBefore: new Date(now - clockSkewMs),
    notAfter: new Date(now + days * DAY_MS),
    signingAlgorithm: SIGNATURE,
  };
}

/** NameConstraints (RFC 5280 §4.2.1.10) with permitted DNS subtrees, as DER. */
async function nameConstraints(domains: readonly string[]): Promise<ArrayBuffer> {
  const { AsnConvert } = await import("@peculiar/asn1-schema");
  const { GeneralName, GeneralSubtree, GeneralSubtrees, NameConstraints } =
    await import("@peculiar/asn1-x509");
  const subtrees = domains.map((dNSName) => new GeneralSubtree({ base: new GeneralName({ dNSName }) }));
  return AsnConvert.serialize(new NameConstraints({ permittedSubtrees: new GeneralSubtrees(subtrees) }));
}
