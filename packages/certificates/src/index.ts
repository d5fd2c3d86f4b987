export { issueCertificate, issueKeyAndCertificate, makeAuthority } from "./authority.ts";
export type {
  AuthorityOptions,
  CertificateDeps,
  CertificateOptions,
  IssuedCertificate,
} from "./authority.ts";
export { makeCertificateRequest, readCertificateRequest } from "./certificate-request.ts";
export type { PemPair } from "./x509.ts";
