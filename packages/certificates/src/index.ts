export { CertificateMaker } from "./authority.ts";
export type { PemPair } from "./authority.ts";
export { makeHostRequest } from "./certificate-request.ts";
export { keyOfPem, KEYS, loadX509, pemOfKey, SIGNATURE } from "./x509.ts";
