import { WrennError } from "@wrenn/core";

const MAX_ORIGINS = 100;

/**
 * Origins of pages that may use the API, as the environment lists them. Only exact ones: a pattern would let in pages of other people.
 *
 * @throws WrennError `invalid_field`.
 */
export function readCorsOrigins(text: string | undefined): readonly string[] {
  const origins = (text ?? "")
    .split(",")
    .map((origin) => origin.trim())
    .filter((origin) => origin !== "");
  if (origins.length > MAX_ORIGINS) throw invalid(`has more than ${MAX_ORIGINS} origins`);
  for (const origin of origins) {
    const url = URL.parse(origin);
    const isHttp = url?.protocol === "https:" || url?.protocol === "http:";
    if (!isHttp || url.origin !== origin || url.hostname.includes("*"))
      throw invalid(
        `must list exact origins such as https://app.example.org or http://localhost:5173, not '${origin.slice(0, 100)}'`,
      );
  }
  return origins;
}

function invalid(problem: string): WrennError {
  return new WrennError("invalid_field", { field: "WRENN_CORS_ORIGINS", problem });
}
