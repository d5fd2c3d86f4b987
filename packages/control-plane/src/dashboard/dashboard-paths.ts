/**
 * Addresses of the dashboard's pages. Everything else stays an address of the API, where what does not exist is an error in JSON;
 * a test compares the list with the pages that the dashboard has.
 */
export const dashboardPaths = [
  "/",
  "/welcome",
  "/login",
  "/signup",
  "/activate",
  "/forgot-password",
  "/reset-password",
  "/account",
  "/capsules",
  "/capsules/*",
  // Where a browser returns after it connected a provider; the contract fixes the address.
  "/dashboard/settings",
  "/invitations",
  "/keys",
  "/team",
] as const;

/** Addresses of the files that pages consist of. */
export const dashboardFilePaths = ["/_app/*", "/favicon.svg"] as const;
