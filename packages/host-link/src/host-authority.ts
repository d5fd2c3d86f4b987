import { createHash, X509Certificate as NodeCertificate } from "node:crypto";
import { isIP } from "node:net";
import { problemOf, WrennError } from "@wrenn/core";
import type { Clock, Random } from "@wrenn/core";
import { CONTROL_PLANE } from "./credentials.ts";
import type { LinkCredentials } from "./credentials.ts";
import { keyOfPem, KEYS, loadX509, pemOfKey, SIGNATURE } from "@wrenn/certificates";

const DAY_MS = 86_400_000;
const AUTHORITY_DAYS = 3650;
/** Contract 20 §2.7. */
const HOST_DAYS = 7;
const CONTROL_PLANE_DAYS = 1;
const CSR_LIMIT = 8192;

/** The authority's certificate and key, PEM; its keeper is the database of the control planes. */
export interface AuthorityKeys {
  readonly cert: string;
  readonly key: string;
}

export interface IssuedCertificate {
  readonly certPem: string;
  readonly caPem: string;
  /** SHA-256 of the certificate, hexadecimal. */
  readonly fingerprint: string;
  readonly expiresAt: Date;
}

/** The certificate authority of an installation: it says who is a host and who is a control plane, and nothing else. */
export class HostAuthority {
  readonly #keys: AuthorityKeys;
  readonly #clock: Clock;
  readonly #random: Random;

  constructor(keys: AuthorityKeys, clock: Clock, random: Random) {
    this.#keys = keys;
    this.#clock = clock;
    this.#random = random;
  }

  /** A new authority. */
  static async make(clock: Clock, random: Random): Promise<AuthorityKeys> {
    const x509 = await loadX509();
    const keys = await crypto.subtle.generateKey(KEYS, true, ["sign", "verify"]);
    const cert = await x509.X509CertificateGenerator.createSelfSigned({
      ...common(clock, random, AUTHORITY_DAYS),
      name: "CN=Wrenn hosts",
      keys,
      extensions: [
        new x509.BasicConstraintsExtension(true, 0, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      ],
    });
    return { cert: cert.toString("pem"), key: await pemOfKey(x509, keys.privateKey) };
  }

  /**
   * A certificate of seven days for a host's key; it can serve and not ask.
   *
   * @param hostId public id, which becomes its name.
   * @throws WrennError `certificate_request_invalid`.
   */
  async issueHost(request: {
    readonly hostId: string;
    readonly address: string;
    readonly csrPem: string;
  }): Promise<IssuedCertificate> {
    const publicKey = await this.#keyOf(request.csrPem);
    return await this.#issue(publicKey, request.hostId, HOST_DAYS, "serverAuth", request.address);
  }

  /** A key and certificate of a day for a control plane; they can ask and not serve. */
  async issueControlPlane(): Promise<LinkCredentials & { readonly expiresAt: Date }> {
    const x509 = await loadX509();
    const keys = await crypto.subtle.generateKey(KEYS, true, ["sign", "verify"]);
    const issued = await this.#issue(keys.publicKey, CONTROL_PLANE, CONTROL_PLANE_DAYS, "clientAuth");
    return {
      key: await pemOfKey(x509, keys.privateKey),
      cert: issued.certPem,
      ca: issued.caPem,
      expiresAt: issued.expiresAt,
    };
  }

  async #keyOf(csrPem: string): Promise<CryptoKey> {
    if (csrPem.length > CSR_LIMIT)
      throw new WrennError("certificate_request_invalid", { problem: "it is too long" });
    const x509 = await loadX509();
    try {
      const request = new x509.Pkcs10CertificateRequest(csrPem);
      const key = await request.publicKey.export(KEYS, ["verify"]);
      if (!(await request.verify())) throw new Error("its signature is wrong");
      return key;
    } catch (error) {
      throw new WrennError("certificate_request_invalid", { problem: problemOf(error) }, { cause: error });
    }
  }

  async #issue(
    publicKey: CryptoKey,
    name: string,
    days: number,
    usage: "serverAuth" | "clientAuth",
    address?: string,
  ): Promise<IssuedCertificate> {
    const x509 = await loadX509();
    const issuer = new x509.X509Certificate(this.#keys.cert);
    const times = common(this.#clock, this.#random, days);
    const host = address?.slice(0, address.lastIndexOf(":")).replace(/^\[|\]$/g, "");
    const cert = await x509.X509CertificateGenerator.create({
      ...times,
      subject: `CN=${name}`,
      issuer: issuer.subject,
      publicKey,
      signingKey: await keyOfPem(x509, this.#keys.key),
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage[usage]]),
        ...(host === undefined
          ? []
          : [
              new x509.SubjectAlternativeNameExtension([
                { type: isIP(host) === 0 ? "dns" : "ip", value: host },
              ]),
            ]),
        await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey),
        await x509.SubjectKeyIdentifierExtension.create(publicKey),
      ],
    });
    const certPem = cert.toString("pem");
    return {
      certPem,
      caPem: this.#keys.cert,
      fingerprint: createHash("sha256").update(new NodeCertificate(certPem).raw).digest("hex"),
      expiresAt: times.notAfter,
    };
  }
}

function common(clock: Clock, random: Random, days: number) {
  const now = clock.now();
  const serial = random.bytes(16);
  // A serial number is positive and as short as it can be (RFC 5280 §4.1.2.2).
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40;
  return {
    serialNumber: Buffer.from(serial).toString("hex"),
    // Clocks of other machines may be a little behind.
    notBefore: new Date(now - 60_000),
    notAfter: new Date(now + days * DAY_MS),
    signingAlgorithm: SIGNATURE,
  };
}
