/** An API key, or the beginning of one, anywhere in a text. */
const API_KEY = /(?<![0-9A-Za-z])wrn_[0-9a-z]{8}/i;
/** JWTs in compact form (RFC 7519): a JSON object begins with these characters in base64url. */
const SIGNED_TOKEN = /eyJ[\w-]*\.([\w-]+)\.[\w-]*/g;
/** `iss` of the platform's own tokens. */
const ISSUER = "wrenn";
const BASIC = /^\s*basic\s+([\w+/=-]+)/i;

/**
 * Whether a header field's value holds a credential of the platform, valid or not: an API key, or a token that says that the
 * platform issued it. The value may be percent-encoded, or the user and password of Basic authentication.
 */
export function holdsPlatformCredential(value: string): boolean {
  const basic = BASIC.exec(value)?.[1];
  return (
    isCredential(value) ||
    (value.includes("%") && isCredential(percentDecoded(value))) ||
    (basic !== undefined && isCredential(Buffer.from(basic, "base64").toString("latin1")))
  );
}

function isCredential(text: string): boolean {
  if (API_KEY.test(text)) return true;
  if (!text.includes("eyJ")) return false;
  return [...text.matchAll(SIGNED_TOKEN)].some(([, claims = ""]) => issuerOf(claims) === ISSUER);
}

function issuerOf(claims: string): unknown {
  try {
    const said: unknown = JSON.parse(Buffer.from(claims, "base64url").toString("utf8"));
    return typeof said === "object" && said !== null && "iss" in said ? said.iss : undefined;
  } catch {
    return undefined;
  }
}

/** Every escape that stands for ASCII, decoded; malformed ones stay. */
export function percentDecoded(text: string): string {
  return text.replaceAll(/%([0-7][0-9a-f])/gi, (_all, code: string) =>
    String.fromCharCode(parseInt(code, 16)),
  );
}
