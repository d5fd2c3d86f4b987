import { setTimeout as sleep } from "node:timers/promises";
import { isWrennError, Wrenn, WrennError } from "@wrenn/sdk";
import type { ConnectionOptions } from "@wrenn/sdk";
import { ClientError } from "../errors/client-error.ts";
import type { StoredLogin } from "./profiles.ts";

/** Head and body of an answer each take at most this long: together less than the lock of the stored profiles is waited for. */
const LIMITS = { requestTimeoutMs: 15_000, retries: 0 } as const satisfies ConnectionOptions;
/** RFC 8628 §3.5: how much later a device asks from then on, in seconds. */
const SLOWER_SEC = 5;

/** What the server answers to a device that begins to log in (docs/reference/rest-api.md#logins-of-devices). */
export interface DeviceCode {
  readonly device_code: string;
  readonly user_code: string;
  readonly verification_uri: string;
  readonly verification_uri_complete: string;
  /** Seconds. */
  readonly expires_in: number;
  /** Seconds between two questions. */
  readonly interval: number;
}

interface TokenAnswer {
  readonly access_token: string;
  readonly token_type: string;
  readonly refresh_token?: string;
  readonly expires_in?: number;
}

/**
 * Begins a login that a person approves in a browser, on any machine.
 *
 * @throws WrennError as every call.
 */
export async function beginDeviceLogin(
  url: string,
  clientName: string,
  signal: AbortSignal,
): Promise<DeviceCode> {
  const body = { client_name: clientName };
  return await anonymous(url).request<DeviceCode>("POST", "/v1/auth/device", { body, signal });
}

/**
 * Waits until a person has decided. A server that is not reached in the meantime is asked again.
 *
 * @throws ClientError `login_denied`, `login_expired`; WrennError.
 */
export async function awaitDeviceLogin(
  url: string,
  code: DeviceCode,
  signal: AbortSignal,
): Promise<StoredLogin> {
  const wrenn = anonymous(url);
  const body = {
    grant_type: "urn:ietf:params:oauth:grant-type:device_code",
    device_code: code.device_code,
  };
  const endsAt = performance.now() + code.expires_in * 1000;
  let intervalSec = code.interval;
  for (;;) {
    await sleep(intervalSec * 1000, undefined, { signal });
    try {
      return loginOf(await wrenn.request<TokenAnswer>("POST", "/v1/auth/token", { body, signal }));
    } catch (error) {
      if (isWrennError(error, "access_denied"))
        throw new ClientError(
          "credentials",
          "login_denied",
          "the login was denied",
          "Run `wrenn login` again.",
        );
      if (isWrennError(error, "expired_token") || isWrennError(error, "invalid_grant"))
        throw new ClientError(
          "credentials",
          "login_expired",
          "no one approved the login in time",
          "Run `wrenn login` again, and approve it within ten minutes.",
        );
      const isAway = error instanceof WrennError && error.isRetryable && performance.now() < endsAt;
      if (isAway || isWrennError(error, "slow_down")) intervalSec += SLOWER_SEC;
      else if (!isWrennError(error, "authorization_pending")) throw error;
    }
  }
}

/** The next pair of tokens. @throws ClientError `not_logged_in` when the login has ended; WrennError. */
export async function renewLogin(url: string, login: StoredLogin): Promise<StoredLogin> {
  const body = { grant_type: "refresh_token", refresh_token: login.refreshToken };
  try {
    return loginOf(await anonymous(url).request<TokenAnswer>("POST", "/v1/auth/token", { body }));
  } catch (error) {
    if (!hasEnded(error)) throw error;
    throw new ClientError(
      "credentials",
      "not_logged_in",
      `the login at ${url} has ended`,
      "Run `wrenn login` again.",
      { cause: error },
    );
  }
}

/**
 * Ends a login on the server, one whose access token is over, too.
 *
 * @throws WrennError where the server does not answer: it then ends the login after its time.
 */
export async function endLogin(url: string, login: StoredLogin, signal: AbortSignal): Promise<void> {
  try {
    const { accessToken } = login.expiresAt > Date.now() ? login : await renewLogin(url, login);
    await new Wrenn({ url, accessToken, ...LIMITS }).request("POST", "/v1/auth/logout", { signal });
  } catch (error) {
    if (!hasEnded(error)) throw error;
  }
}

/** Whether the server or {@link renewLogin} says that a login has ended. */
function hasEnded(error: unknown): boolean {
  if (error instanceof ClientError) return error.code === "not_logged_in";
  return isWrennError(error) && (error.status === 401 || error.code === "invalid_grant");
}

/** A client without credentials: those of the environment are for other calls. */
function anonymous(url: string): Wrenn {
  return new Wrenn({ url, apiKey: null, ...LIMITS });
}

function loginOf(answer: TokenAnswer): StoredLogin {
  return {
    accessToken: answer.access_token,
    refreshToken: answer.refresh_token ?? "",
    expiresAt: Date.now() + (answer.expires_in ?? 0) * 1000,
  };
}
