import { system, user } from "./catalogue-entry.ts";

/** The part of the error catalogue about hosts. */
export const hostErrors = {
  host_unavailable: system(
    "host_unavailable",
    503,
    "sandbox host is not reachable",
    "Try again in a moment.",
  ),
  server_closing: system("host_unavailable", 503, "the server is closing", "Connect again in a moment.", 1),
  host_full: system(
    "no_hosts_available",
    503,
    "no servers available — try again later ({resource} is exhausted)",
    "Destroy or pause capsules, or add a host.",
  ),
  no_hosts: system(
    "no_hosts_available",
    503,
    "no host that could take the capsule is online",
    "Start a host with ./wrenn host join, or see why those there are do not answer: GET /v1/hosts.",
  ),
  host_outdated: user(
    "conflict",
    409,
    "the capsule's host runs an earlier version, without {what}",
    "Upgrade the host to the version of the control plane.",
  ),
  host_not_found: user(
    "not_found",
    404,
    "host not found",
    "List the hosts that you may see with GET /v1/hosts.",
  ),
  host_token_invalid: user(
    "unauthorized",
    401,
    "invalid or expired host token",
    "A registration token works once and for an hour: make a new one with POST /v1/hosts/{id}/token, or for a host that has registered with POST /v1/hosts/{id}/rotate.",
  ),
  host_mismatch: user("forbidden", 403, "the token is of another host", "Send this host's own token."),
  host_joined_as_other: user(
    "conflict",
    409,
    "this machine has joined as {host}, and the token is of another host",
    "Rotate that host with POST /v1/hosts/{id}/rotate and join with the token of the answer, or join with another data directory (WRENN_DATA_DIR).",
  ),
  host_registered: user(
    "invalid_request",
    400,
    "the host is registered already",
    "Rotate its credentials with POST /v1/hosts/{id}/rotate, and join again with the token of the answer.",
  ),
  control_plane_unreachable: system(
    "host_unavailable",
    503,
    "no control plane answers at {url}",
    "Check the address, and that this machine may connect to it.",
  ),
  join_incomplete: user(
    "invalid_request",
    400,
    "this machine has not joined yet and is not told how",
    "Announce it with POST /v1/hosts, then run ./wrenn host join --url URL --token TOKEN.",
  ),
  host_address_refused: user(
    "invalid_request",
    400,
    "the host cannot be reached at {address}: {problem}",
    "Advertise the address that the host connects from, or have the operator allow its network with WRENN_HOST_NETWORKS.",
  ),
  control_plane_insecure: user(
    "invalid_request",
    400,
    "{url} is not an https URL: the credentials of the host would cross the network in clear",
    "Give the https URL of the control plane; http is accepted for this machine only.",
  ),
  host_state_damaged: system(
    "internal_error",
    500,
    "{path} does not hold what this host was given when it joined",
    "Delete the host, remove the file, and join again with a new token.",
  ),
  host_has_capsules: user(
    "host_has_capsules",
    409,
    "the host has capsules: {sandbox_ids}",
    "Destroy them first, or delete the host with force=true, which destroys them.",
  ),
  host_has_templates: user(
    "conflict",
    409,
    "these templates lie on the host: {templates}",
    "Delete them first, or delete the host with force=true, which deletes them.",
  ),
  host_is_local: user(
    "invalid_request",
    400,
    "this host belongs to a server's own machine",
    "It goes when the server runs without a host of its own: ./wrenn up --no-host.",
  ),
  byoc_disabled: user(
    "forbidden",
    403,
    "this team cannot bring hosts of its own",
    "Ask an administrator of the platform to allow it.",
  ),
  admin_required: user(
    "forbidden",
    403,
    "this needs an administrator of the platform",
    "Ask somebody who is one.",
  ),
  enrolment_off: system(
    "host_unavailable",
    503,
    "this control plane takes no hosts of other machines",
    "Start it with an address that hosts can reach: ./wrenn up --hosts.",
  ),
  certificate_request_invalid: user(
    "invalid_request",
    400,
    "csr_pem is no certificate request of this host: {problem}",
    "Send a PEM-encoded PKCS #10 request with an EC P-256 key.",
  ),
};
