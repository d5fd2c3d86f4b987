import { goto } from "$app/navigation";

const PARAMETER = "next";
/** Where a tab keeps the address while a provider logs its person in. Only pages of this origin can read and write it. */
const KEPT = "wrenn_way_back";
/** Addresses that are loaded from the server: what they show depends on its answer. */
const OF_SERVER = /^\/(?:v1|docs)\//;

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
  return ownAddress(searchParams.get(PARAMETER), origin);
}

/** Keeps where to go while a provider logs the person in. */
export function keepWay(way: string): void {
  sessionStorage.setItem(KEPT, way);
}

/** The address that {@link keepWay} kept. */
export function keptWay(origin: string): string {
  return ownAddress(sessionStorage.getItem(KEPT), origin);
}

/** The same, once. */
export function takeWay(origin: string): string {
  const kept = keptWay(origin);
  sessionStorage.removeItem(KEPT);
  return kept;
}

/** Goes there in the place of the present page. */
export async function followWay(way: string): Promise<void> {
  if (OF_SERVER.test(way)) location.replace(way);
  else await goto(way, { replaceState: true });
}

function ownAddress(address: string | null, origin: string): string {
  const wanted = URL.parse(address ?? "", origin);
  return wanted?.origin === origin && wanted.pathname !== "/login"
    ? `${wanted.pathname}${wanted.search}${wanted.hash}`
    : "/capsules";
}
