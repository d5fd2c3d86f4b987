const PARAMETER = "next";

/** The log-in page, which leads back to this address afterwards. */
export function loginAddress({ pathname, search, hash }: Pick<URL, "pathname" | "search" | "hash">): string {
  const here = `${pathname}${search}${hash}`;
  return here === "/" || here === "/capsules" ? "/login" : `/login?${PARAMETER}=${encodeURIComponent(here)}`;
}

/** Where a person wanted to go before they logged in: an address of this origin, and of nothing else. */
export function wayBack({
  origin,
  searchParams,
}: {
  readonly origin: string;
  readonly searchParams: Pick<URLSearchParams, "get">;
}): string {
  const wanted = URL.parse(searchParams.get(PARAMETER) ?? "", origin);
  return wanted?.origin === origin && wanted.pathname !== "/login"
    ? `${wanted.pathname}${wanted.search}${wanted.hash}`
    : "/capsules";
}
