import { createHash } from "node:crypto";
import { DAY_MS, formatId, parseId, randomHex, WrennError } from "@wrenn/core";
import type { Clock, Random } from "@wrenn/core";
import { hostCertificateQueries, hostQueries, hostTokenQueries } from "@wrenn/database";
import type { Database, Db, HostRow, HostSize, HostTokenPurpose } from "@wrenn/database";
import { Type } from "typebox";
import type { SignedTokens } from "../secrets/signed-tokens.ts";
import type { HostAddresses } from "./host-addresses.ts";

const HOUR_MS = 3_600_000;
/** See docs/reference/control-plane.md#host-tokens. */
const TOKEN_DAYS = 7;
const REFRESH_DAYS = 60;
const TOKEN_BYTES = 32;

/** Of tokens for heartbeats; nothing else accepts them. */
const AUDIENCE = "wrenn:hosts";

const Claims = Type.Object({
  typ: Type.Literal("host"),
  host_id: Type.String(),
  /** Fingerprint of the certificate that was issued together with the token. Tokens of the release before name neither it nor an audience. */
  cert: Type.Optional(Type.String()),
  aud: Type.Optional(Type.Unknown()),
});

/** Signs requests of hosts for certificates: the key stays where it was made. */
export interface HostCertifier {
  /** @throws WrennError for a request that is none, or for another host. */
  issue(request: {
    readonly hostId: string;
    readonly address: string;
    readonly csrPem: string;
  }): Promise<HostCertificate>;
}

export interface HostCertificate {
  readonly certPem: string;
  readonly caPem: string;
  /** SHA-256 of the certificate, hexadecimal. */
  readonly fingerprint: string;
  readonly expiresAt: Date;
}

/** What a host gets when it registers and each time it renews. */
export interface HostCredentials {
  readonly host: HostRow;
  readonly token: string;
  readonly refreshToken: string;
  readonly certificate: HostCertificate;
}

export interface HostEnrolmentDeps {
  readonly database: Database;
  readonly clock: Clock;
  readonly random: Random;
  readonly signedTokens: SignedTokens;
  readonly certifier?: HostCertifier | undefined;
  readonly addresses: HostAddresses;
}

/** What a host says when it registers, and where that came from. */
export interface HostRegistration extends HostSize {
  readonly address: string;
  readonly csrPem: string;
  /** Public id of the host that the machine says it is; undefined when it has not joined. */
  readonly joinedAs?: string | undefined;
  /** Address of the client; null when it is not known for certain. */
  readonly registeredFrom: string | null;
}

/** How hosts of other machines get in, and stay in: tokens and certificates that are renewed long before they end. */
export class HostEnrolment {
  readonly #deps: HostEnrolmentDeps;

  constructor(deps: HostEnrolmentDeps) {
    this.#deps = deps;
  }

  /** A token that registers the host, once, within an hour; earlier ones are worth nothing from now on. */
  async registrationToken(db: Db, hostId: string): Promise<string> {
    const token = this.#newToken();
    await hostTokenQueries.putHostToken(db, {
      hash: hashOf(token),
      hostId,
      purpose: "registration",
      expiresAt: this.#after(HOUR_MS),
    });
    return token;
  }

  /** @throws WrennError `host_token_invalid`, `host_joined_as_other`, `host_address_refused`, `enrolment_off`, and of the certifier. */
  async register(token: string, request: HostRegistration): Promise<HostCredentials> {
    const { database, addresses } = this.#deps;
    // In one transaction: a registration that fails leaves the token as good as it was.
    return await database.db.transaction().execute(async (trx) => {
      const locked = await this.#lockHostOf(trx, token, "registration");
      const hostId =
        locked && (await hostTokenQueries.takeHostToken(trx, hashOf(token), "registration", this.#after(0)));
      const host = hostId && (await hostQueries.registerHost(trx, hostId, request));
      if (!host) throw new WrennError("host_token_invalid", {});
      const { joinedAs } = request;
      if (joinedAs !== undefined && joinedAs !== formatId("host", host.id))
        throw new WrennError("host_joined_as_other", { host: joinedAs });
      addresses.requirePermitted(host, request.address);
      return await this.#credentials(trx, host, request.csrPem);
    });
  }

  /**
   * Renews what a host was given. The token that was used stays good for an hour, until its successor is used, so that an answer
   * that got lost locks no host out.
   *
   * @throws WrennError `host_token_invalid`, `enrolment_off`, and of the certifier.
   */
  async refresh(refreshToken: string, csrPem: string): Promise<HostCredentials> {
    const { database } = this.#deps;
    return await database.db.transaction().execute(async (trx) => {
      const host = await this.#lockHostOf(trx, refreshToken, "refresh");
      // It may have been revoked meanwhile.
      const isGood = await this.#hostOf(trx, refreshToken, "refresh");
      if (!host || isGood === undefined) throw new WrennError("host_token_invalid", {});
      return await this.#credentials(trx, host, csrPem, hashOf(refreshToken));
    });
  }

  /**
   * The host that a token is of; it may have been deleted. A token ends with the certificate that was issued together with it.
   *
   * @throws WrennError `host_token_invalid`.
   */
  async verify(token: string): Promise<string> {
    const { id, cert } = await this.#claimsOf(token);
    const host = await hostQueries.findHost(this.#deps.database.db, id);
    if (!host) return id;
    const isGood =
      cert === undefined
        ? await this.#hasEarlierCredentials(host)
        : await this.acceptsCertificate(host.id, cert);
    if (!isGood) throw new WrennError("host_token_invalid", {});
    return id;
  }

  /** Whether a host may show the certificate with this fingerprint on a new connection. */
  async acceptsCertificate(hostId: string, fingerprint: string): Promise<boolean> {
    const { db } = this.#deps.database;
    return await hostCertificateQueries.isAccepted(db, hostId, fingerprint, this.#after(0));
  }

  async #hostOf(db: Db, token: string, purpose: HostTokenPurpose): Promise<string | undefined> {
    return await hostTokenQueries.findHostToken(db, hashOf(token), purpose, this.#after(0));
  }

  /** Until the transaction ends nothing that was issued to the host is revoked. */
  async #lockHostOf(trx: Db, token: string, purpose: HostTokenPurpose): Promise<HostRow | undefined> {
    const hostId = await this.#hostOf(trx, token, purpose);
    return hostId === undefined ? undefined : await hostQueries.lockHost(trx, hostId);
  }

  /** Whether what the release before issued to a host is still good: it was neither revoked nor replaced more than an hour ago. */
  async #hasEarlierCredentials(host: HostRow): Promise<boolean> {
    const { db } = this.#deps.database;
    if (host.credentials_epoch > 0 || host.cert_fingerprint === null) return false;
    return await hostCertificateQueries.isFirstAccepted(db, host.id, this.#after(0));
  }

  async #claimsOf(token: string): Promise<{ readonly id: string; readonly cert: string | undefined }> {
    try {
      return await this.#deps.signedTokens.verify(AUDIENCE, token, Claims, ({ host_id: id, cert, aud }) => {
        // Keys of this release sign for an audience.
        if (cert === undefined && aud !== undefined) throw new Error("the token names no certificate");
        return { id: parseId("host", id), cert };
      });
    } catch (error) {
      throw new WrennError("host_token_invalid", {}, { cause: error });
    }
  }

  async #credentials(db: Db, host: HostRow, csrPem: string, used?: string): Promise<HostCredentials> {
    const { certifier, signedTokens } = this.#deps;
    if (!certifier || host.address === null) throw new WrennError("enrolment_off", {});
    const certificate = await certifier.issue({ hostId: host.id, address: host.address, csrPem });
    await hostQueries.setHostCertificate(db, host.id, certificate);
    await hostCertificateQueries.succeedCertificate(db, {
      hostId: host.id,
      ...certificate,
      previous: host.cert_fingerprint,
      graceUntil: this.#after(HOUR_MS),
    });
    const refreshToken = this.#newToken();
    const fresh = {
      hash: hashOf(refreshToken),
      hostId: host.id,
      expiresAt: this.#after(REFRESH_DAYS * DAY_MS),
    };
    if (used === undefined) await hostTokenQueries.putHostToken(db, { ...fresh, purpose: "refresh" });
    else await hostTokenQueries.succeedRefreshToken(db, { ...fresh, used, graceUntil: this.#after(HOUR_MS) });
    const publicId = formatId("host", host.id);
    const token = await signedTokens.sign(
      AUDIENCE,
      publicId,
      { typ: "host", host_id: publicId, cert: certificate.fingerprint },
      (TOKEN_DAYS * DAY_MS) / 1000,
    );
    return { host, token, refreshToken, certificate };
  }

  #newToken(): string {
    return randomHex(this.#deps.random, TOKEN_BYTES);
  }

  #after(ms: number): Date {
    return new Date(this.#deps.clock.now() + ms);
  }
}

function hashOf(token: string): string {
  return createHash("sha256").update(token).digest("hex");
}
