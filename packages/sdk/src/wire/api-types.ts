import type { ApiRoutes, ApiSchemas } from "./generated/api-types.ts";

/** An object of the API by its name in the server's description, such as `Capsule`. */
export type WireObject<Name extends keyof ApiSchemas> = ApiSchemas[Name];

/** A route by method and path, such as `POST /v1/capsules/{id}/exec`. */
export type WireRoute = keyof ApiRoutes;

/** What a route takes as its body. */
export type WireBody<Route extends WireRoute> = ApiRoutes[Route] extends { readonly body?: infer Body }
  ? Exclude<Body, undefined>
  : never;

/** What a route takes in its query. */
export type WireQuery<Route extends WireRoute> = ApiRoutes[Route] extends { readonly query?: infer Query }
  ? Exclude<Query, undefined>
  : never;

/** What a route answers: with the given status, or with any. */
export type WireAnswer<
  Route extends WireRoute,
  Status extends number = 200 | 201 | 202 | 204,
> = ApiRoutes[Route] extends { readonly answers: infer Answers }
  ? Answers[Extract<keyof Answers, Status>]
  : never;

/** Messages of a WebSocket: those of the client, or of the server. */
export type WireMessage<Route extends WireRoute, Sender extends "client" | "server"> =
  ApiRoutes[Route] extends Readonly<Record<Sender, infer Message>> ? Message : never;
