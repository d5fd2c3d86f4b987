import assert from "node:assert/strict";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { test } from "node:test";
import {
  issueCertificate,
  issueKeyAndCertificate,
  makeAuthority,
  makeCertificateRequest,
  readCertificateRequest,
} from "@wrenn/certificates";
import { DAY_MS, systemClock, systemRandom, WrennError } from "@wrenn/core";

const NOW = Date.UTC(2026, 0, 31);
const deps = { clock: { ...systemClock, now: () => NOW }, random: systemRandom };
const validity = { days: 10, clockSkewMs: 60_000 };
const server = { ...validity, name: "server", usage: "serverAuth" } as const;
const authority = await makeAuthority({ ...validity, name: "Test CA" }, deps);

test("an authority is a self-signed CA, valid from before now", () => {
  const cert = new X509Certificate(authority.cert);
  assert.ok(cert.ca);
  assert.equal(cert.subject, "CN=Test CA");
  assert.ok(cert.verify(cert.publicKey));
  assert.equal(cert.validFromDate.getTime(), NOW - 60_000);
  assert.equal(cert.validToDate.getTime(), NOW + 10 * DAY_MS);
});

test("a certificate has the names, the usage and the issuer that were asked for", async () => {
  const alternativeNames = ["a.test", "*.a.test", "192.0.2.1", "2001:db8::1"];
  const issued = await issueKeyAndCertificate(authority, { ...server, alternativeNames }, deps);
  const cert = new X509Certificate(issued.cert);
  assert.ok(!cert.ca && cert.verify(new X509Certificate(authority.cert).publicKey));
  assert.equal(cert.checkHost("x.a.test"), "*.a.test");
  assert.equal(cert.checkHost("b.test"), undefined);
  assert.equal(cert.checkIP("192.0.2.1"), "192.0.2.1");
  assert.equal(cert.checkIP("2001:db8::1"), "2001:db8::1");
  assert.deepEqual(cert.keyUsage, ["1.3.6.1.5.5.7.3.1"]);
  assert.equal(issued.expiresAt.getTime(), cert.validToDate.getTime());
});

test("a request carries a public key to the authority", async () => {
  const { keyPem, csrPem } = await makeCertificateRequest("anyone");
  const { cert } = await issueCertificate(authority, await readCertificateRequest(csrPem), server, deps);
  assert.ok(new X509Certificate(cert).checkPrivateKey(createPrivateKey(keyPem)));
  assert.equal(new X509Certificate(cert).subject, "CN=server");
});

test("a request that is long, damaged or signed with another key is refused", async () => {
  const { csrPem } = await makeCertificateRequest("anyone");
  const [head = "", ...lines] = csrPem.trim().split("\n");
  const der = Buffer.from(lines.slice(0, -1).join(""), "base64");
  der[der.length - 1] = (der.at(-1) ?? 0) ^ 1;
  const forged = [head, der.toString("base64"), lines.at(-1)].join("\n");
  for (const request of ["", "text", "x".repeat(10_000), forged])
    await assert.rejects(readCertificateRequest(request), (error) =>
      WrennError.is(error, "certificate_request_invalid"),
    );
});

test("the domains of an authority are critical DNS name constraints", async () => {
  const { cert } = await makeAuthority({ ...validity, name: "Limited CA", domains: ["capsules.test"] }, deps);
  // OID 2.5.29.30, TRUE, OCTET STRING { SEQUENCE { [0] { SEQUENCE { [2] "capsules.test" } } } }
  const extension = `0603551d1e 0101ff 0415 3013 a011 300f 820d ${Buffer.from("capsules.test").toString("hex")}`;
  assert.ok(new X509Certificate(cert).raw.includes(Buffer.from(extension.replaceAll(" ", ""), "hex")));
  assert.ok(!new X509Certificate(authority.cert).raw.includes(Buffer.from("0603551d1e", "hex")));
});
