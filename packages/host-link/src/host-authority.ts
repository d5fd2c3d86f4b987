import { createHash, X509Certificate } from "node:crypto";
import {
  issueCertificate,
  issueKeyAndCertificate,
  makeAuthority,
  makeCertificateRequest,
  readCertificateRequest,
} from "@wrenn/certificates";
import type { PemPair } from "@wrenn/certificates";
import type { Clock, Random } from "@wrenn/core";

/** A private key, its certificate, and the authority that both sides trust; all PEM. */
export interface LinkCredentials {
  readonly key: string;
  readonly cert: string;
  readonly ca: string;
}

/** The name in the certificates of control planes. */
export const CONTROL_PLANE = "wrenn-control-plane";

const AUTHORITY_DAYS = 3650;
/** See docs/reference/control-plane.md#certificates-of-hosts. */
const HOST_DAYS = 7;
const CONTROL_PLANE_DAYS = 1;
/** Clocks of other machines may be a little behind. */
const CLOCK_SKEW_MS = 60_000;

export interface IssuedHostCertificate {
  readonly certPem: string;
  readonly caPem: string;
  /** SHA-256 of the certificate, hexadecimal. */
  readonly fingerprint: string;
  readonly expiresAt: Date;
}

/** The certificate authority of an installation: it says who is a host and who is a control plane, and nothing else. */
export class HostAuthority {
  readonly #keys: PemPair;
  readonly #clock: Clock;
  readonly #random: Random;

  /** @param keys - the authority's certificate and key; its keeper is the database of the control planes. */
  constructor(keys: PemPair, clock: Clock, random: Random) {
    this.#keys = keys;
    this.#clock = clock;
    this.#random = random;
  }

  /** A new authority. */
  static async make(clock: Clock, random: Random): Promise<PemPair> {
    const options = { name: "Wrenn hosts", days: AUTHORITY_DAYS, clockSkewMs: CLOCK_SKEW_MS };
    return await makeAuthority(options, { clock, random });
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
  }): Promise<IssuedHostCertificate> {
    const { hostId, address, csrPem } = request;
    const host = address.slice(0, address.lastIndexOf(":")).replace(/^\[|\]$/g, "");
    const issued = await issueCertificate(
      this.#keys,
      await readCertificateRequest(csrPem),
      {
        name: hostId,
        days: HOST_DAYS,
        clockSkewMs: CLOCK_SKEW_MS,
        usage: "serverAuth",
        alternativeNames: [host],
      },
      { clock: this.#clock, random: this.#random },
    );
    return {
      certPem: issued.cert,
      caPem: this.#keys.cert,
      fingerprint: createHash("sha256").update(new X509Certificate(issued.cert).raw).digest("hex"),
      expiresAt: issued.expiresAt,
    };
  }

  /** A key and certificate of a day for a control plane; they can ask and not serve. */
  async issueControlPlane(): Promise<LinkCredentials & { readonly expiresAt: Date }> {
    const issued = await issueKeyAndCertificate(
      this.#keys,
      { name: CONTROL_PLANE, days: CONTROL_PLANE_DAYS, clockSkewMs: CLOCK_SKEW_MS, usage: "clientAuth" },
      { clock: this.#clock, random: this.#random },
    );
    return { ...issued, ca: this.#keys.cert };
  }
}

/** A new private key of a host, and a request for a certificate of it. The token that it is sent with names the host. */
export async function makeHostRequest(): Promise<{ readonly keyPem: string; readonly csrPem: string }> {
  return await makeCertificateRequest("wrenn-host");
}
