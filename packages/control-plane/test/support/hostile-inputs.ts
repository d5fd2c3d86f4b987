import fc from "fast-check";

/** Segments of a path, as they go over the wire. */
export const segments = fc.oneof(
  fc.constantFrom(
    "%00",
    "%ff",
    "%c0%af",
    "%e0%80%80",
    "%ed%a0%80",
    "%zz",
    "%",
    "%u0041",
    "..",
    "%2e%2e",
    "..%2f..%2f",
    "%25",
    "a%2fb",
    "~",
    "*",
    ":id",
    "__proto__",
    "constructor",
    "-1",
    "0",
    "65536",
    "g1",
    "g1000000000",
    "a".repeat(100),
    "a".repeat(128),
    "a".repeat(129),
    "a".repeat(300),
    "%f0%9f%98%80",
    "%20",
    ";a=b",
    "null",
    "cl-0000000000000000000000000",
    "cl-zzzzzzzzzzzzzzzzzzzzzzzzz",
    "00000000-0000-0000-0000-000000000000",
  ),
  fc.string({ maxLength: 40, unit: "binary" }).map((text) => escaped(text)),
);

/** Texts after the question mark that no client would write. */
export const queries = fc.constantFrom(
  "?",
  "??",
  "?&&&",
  "?=",
  "?a",
  "?%",
  "?%ff=%ff",
  "?__proto__=1",
  "?constructor[prototype]=1",
  "?limit=1&limit=2",
  "?limit[]=1",
  "?limit=1e309",
  "?limit=-0",
  "?limit=0x10",
  "?limit=",
  "?cursor=%00",
  "?cursor=AAAA",
  `?cursor=${"A".repeat(8000)}`,
  "?path=%00",
  "?path=a&path=b",
  "?after=9223372036854775808",
  `?${"a=b&".repeat(2000)}`,
  "?from=%2b999999-01-01",
  "?from=0000-00-00&to=9999-99-99",
  "?email=%40%40%00",
);

export const types = fc.constantFrom(
  "application/json",
  "application/json; charset=utf-16",
  "text/plain",
  "application/xml",
  "text/html",
  "application/x-www-form-urlencoded",
  "multipart/form-data",
  "multipart/form-data; boundary=",
  ";",
  "a/b/c",
  "multipart/form-data; boundary=x",
  "application/octet-stream",
  "application/problem+json",
);

export const oddHeaders = fc.oneof(
  { weight: 3, arbitrary: fc.constant<Readonly<Record<string, string>>>({}) },
  {
    weight: 1,
    arbitrary: fc.constantFrom<Readonly<Record<string, string>>>(
      { "x-request-id": "a".repeat(300) },
      { "x-request-id": "../<script>" },
      { "last-event-id": "\xff" },
      { "last-event-id": "99999999999999999999999" },
      { "idempotency-key": "\xff" },
      { "idempotency-key": "a" },
      { range: "bytes=-0" },
      { range: "bytes=9-1,2-3" },
      { range: "bytes=0-99999999999999999999" },
      { "content-digest": "sha-256=:!:" },
      { "if-none-match": "*" },
      { "if-range": '"' },
      { cookie: ";;=;" },
      { cookie: "wrenn_refresh=zz" },
      { accept: "*/*;q=x" },
      { "content-encoding": "gzip" },
      { te: "trailers" },
      { "x-host-token": "a.b.c" },
      { "accept-encoding": "br;q=9" },
      { upgrade: "h2c" },
      { expect: "100-continue" },
    ),
  },
);

/** Bodies that are no JSON of anybody's. */
export const texts = fc.oneof(
  fc.constantFrom<string | Uint8Array>(
    "",
    "{",
    "[",
    "null",
    "true",
    '"',
    "nul",
    "{}{}",
    "\ufeff{}",
    '{"a":1,"a":2}',
    "{'a':1}",
    "[".repeat(50_000),
    '{"__proto__":{"isAdmin":true}}',
    '{"constructor":{"prototype":{"x":1}}}',
    `{"a":${"9".repeat(5000)}}`,
    `${'{"a":'.repeat(20_000)}1${"}".repeat(20_000)}`,
    `"${"a".repeat(1_100_000)}"`,
    '{"name":1e999}',
    Uint8Array.of(0xff, 0xfe, 0x7b, 0x7d),
    Uint8Array.of(0x7b, 0x22, 0xc0, 0x80, 0x22),
    Uint8Array.of(0, 0, 0),
    "--x\r\n\r\n",
    '--x\r\nContent-Disposition: form-data; name="path"\r\n\r\n\0\r\n--x--\r\n',
    "a=b&c=%zz",
  ),
  fc.uint8Array({ maxLength: 300 }),
);

/** Lone surrogates cannot be escaped: they go as the bytes that some would send. */
export function escaped(text: string): string {
  try {
    return encodeURIComponent(text);
  } catch {
    return "%ed%a0%80";
  }
}
