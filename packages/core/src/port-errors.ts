import { system, user } from "./catalogue-entry.ts";

/** The part of the error catalogue that clients of services in capsules meet. */
export const portErrors = {
  port_invalid: user(
    "invalid_request",
    400,
    "invalid port",
    "A port is a number from 1 to 65535: {port}-{capsule id}.{domain}.",
  ),
  port_reserved: user(
    "forbidden",
    403,
    "port {port} is reserved for the platform",
    "Let the service listen on another port.",
  ),
  port_private: user(
    "unauthorized",
    401,
    "port {port} of this capsule is private",
    "Send X-API-Key, open a signed URL of this port, or make the port public.",
  ),
  public_ports_forbidden: user(
    "forbidden",
    403,
    "capsules of this team have no public ports",
    "Use a signed link, or ask an administrator of the platform to allow public ports.",
  ),
  port_link_ended: user(
    "unauthorized",
    401,
    "this link to port {port} was revoked, or was made by a version whose links cannot be revoked",
    "Ask for a new link: POST /v1/capsules/{id}/ports/{port}/link.",
  ),
  port_link_not_found: user(
    "not_found",
    404,
    "no such link to this port",
    "List the links with GET /v1/capsules/{id}/ports/links; links that have ended are not listed.",
  ),
  port_not_listening: user(
    "agent_error",
    502,
    "nothing listens on port {port} of the capsule",
    "Start the service; the page answers as soon as it listens.",
    2,
  ),
  port_hung_up: user(
    "agent_error",
    502,
    "the service on port {port} of the capsule ended the connection without a proper answer: {problem}",
    "Check that the service speaks HTTP on this port; its own log says more.",
  ),
  port_head_too_large: user(
    "agent_error",
    502,
    "the service on port {port} of the capsule answered with header fields of more than {limit} bytes",
    "Let the service send fewer or smaller header fields, such as cookies.",
  ),
  port_timeout: user(
    "agent_error",
    504,
    "the service on port {port} of the capsule did not {action} within {ms} ms",
    "Check the load and the log of the service.",
  ),
  port_draining: system(
    "host_unavailable",
    503,
    "the capsule is about to be paused or moved and takes no new connections",
    "Try again in a moment.",
    2,
  ),
  request_misdirected: user(
    "invalid_request",
    421,
    "this connection serves ports of capsules, and the request is for another host",
    "Send the request again on a new connection; browsers and most HTTP clients do so by themselves.",
  ),
  tunnel_refused: user(
    "agent_error",
    501,
    "CONNECT is served for WebSocket only, not for {protocol}",
    "Name websocket in :protocol (RFC 8441), or use an ordinary request.",
  ),
  port_unreachable: system(
    "host_unavailable",
    503,
    "port {port} of the capsule cannot be reached: {problem}",
    "Try again in a moment; ./wrenn doctor checks the host's network.",
  ),
};
