/** Takes a parameter out of the query of a raw request target; every other byte of it stays as it was. */
export function takeParameter(
  url: string,
  name: string,
): { readonly url: string; readonly value: string | undefined } {
  const at = url.indexOf("?");
  if (at === -1 || !url.includes(`${name}=`, at)) return { url, value: undefined };
  let value: string | undefined;
  const kept = url
    .slice(at + 1)
    .split("&")
    .filter((pair) => {
      if (!pair.startsWith(`${name}=`)) return true;
      value ??= pair.slice(name.length + 1);
      return false;
    });
  return { url: url.slice(0, at) + (kept.length > 0 ? `?${kept.join("&")}` : ""), value };
}
