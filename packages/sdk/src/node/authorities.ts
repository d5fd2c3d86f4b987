import { WrennError } from "../errors/wrenn-error.ts";

/**
 * Certificate authorities, PEM: those of a file, and those that Node.js trusts without it.
 *
 * @throws WrennError `invalid_option` for a file that cannot be read or has no certificate.
 */
export async function authoritiesWith(caFile: string): Promise<string[]> {
  const [{ readFile }, tls] = await Promise.all([import("node:fs/promises"), import("node:tls")]);
  const read = async (path: string): Promise<string> => {
    try {
      const text = await readFile(path, "utf8");
      if (text.includes("-----BEGIN CERTIFICATE-----")) return text;
    } catch (error) {
      throw unusable(path, error instanceof Error ? error.message : String(error), error);
    }
    throw unusable(path, "it has no certificate in PEM");
  };
  const added = await read(caFile);
  // Node.js before 22.15 does not give what NODE_EXTRA_CA_CERTS adds.
  const { getCACertificates } = tls as { readonly getCACertificates?: (type: "default") => string[] };
  if (getCACertificates) return [...getCACertificates("default"), added];
  const extra = process.env["NODE_EXTRA_CA_CERTS"];
  const more = extra === undefined || extra === "" ? [] : [await read(extra)];
  return [...tls.rootCertificates, ...more, added];
}

function unusable(path: string, problem: string, cause?: unknown): WrennError {
  return new WrennError(
    {
      code: "invalid_option",
      message: `the file of certificate authorities '${path}' cannot be used: ${problem}`,
      remedy: "Correct caFile, WRENN_CA_FILE or SSL_CERT_FILE.",
      details: { option: "caFile" },
    },
    { cause },
  );
}
