import { problemOf, WrennError } from "@wrenn/core";
import { KEYS, loadX509, makeKeys, pemOfKey, SIGNATURE } from "./x509.ts";

const REQUEST_LIMIT = 8192;

/** A new private key, and a request for a certificate of it. The name is a placeholder: the authority decides on the certificate's. */
export async function makeCertificateRequest(
  name: string,
): Promise<{ readonly keyPem: string; readonly csrPem: string }> {
  const x509 = await loadX509();
  const keys = await makeKeys();
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: `CN=${name}`,
    keys,
    signingAlgorithm: SIGNATURE,
  });
  return { keyPem: await pemOfKey(x509, keys.privateKey), csrPem: request.toString("pem") };
}

/**
 * The public key of a request, once its signature has shown that the sender has the private one.
 *
 * @throws WrennError `certificate_request_invalid`.
 */
export async function readCertificateRequest(csrPem: string): Promise<CryptoKey> {
  if (csrPem.length > REQUEST_LIMIT)
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
