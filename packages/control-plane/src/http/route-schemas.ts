import { createRequire } from "node:module";
import { TypeBoxValidatorCompiler } from "@fastify/type-provider-typebox";
import type { FastifySchemaCompiler, FastifySerializerCompiler, FastifyServerOptions } from "fastify";

type Compilers = NonNullable<NonNullable<FastifyServerOptions["schemaController"]>["compilersFactory"]>;
type BuildSerializer = NonNullable<Compilers["buildSerializer"]>;
/** What Fastify gives a compiler: a schema, and the route that has it. */
interface SchemaOfRoute {
  readonly method?: string;
  readonly url?: string;
}

/** Fastify's own serialisers, of the version that it depends on. */
const { SerializerSelector } = createRequire(createRequire(import.meta.url).resolve("fastify"))(
  "@fastify/fast-json-stringify-compiler",
) as { readonly SerializerSelector: () => BuildSerializer };

/**
 * Compiles the schemas of routes when they are first used: compiling all of them takes longer than the rest of a start, and most routes
 * are not called in the life of a process. A test compiles them all, so that a broken one is found there.
 */
export class RouteSchemas {
  /** Compiles each schema that no request has used yet. */
  readonly #unused = new Set<() => void>();

  readonly validatorCompiler: FastifySchemaCompiler<unknown> = (route) =>
    this.#whenUsed(
      route,
      () => TypeBoxValidatorCompiler(withoutConversion(route) as never) as (data: unknown) => unknown,
    ) as never;

  readonly compilersFactory: Compilers = {
    buildSerializer: (...options) => {
      const compile = SerializerSelector()(...options) as FastifySerializerCompiler<unknown>;
      return (route: SchemaOfRoute) => this.#whenUsed(route, () => compile(route as never)) as never;
    },
  };

  /** How many are not compiled yet. */
  get size(): number {
    return this.#unused.size;
  }

  /**
   * Compiles all that are left. @returns how many these were.
   *
   * @throws Error naming the route of the first that cannot be compiled.
   */
  compileAll(): number {
    const { size } = this.#unused;
    for (const compile of this.#unused) compile();
    return size;
  }

  #whenUsed<Result>(
    { method = "", url = "" }: SchemaOfRoute,
    compile: () => (data: unknown) => Result,
  ): (data: unknown) => Result {
    let compiled: ((data: unknown) => Result) | undefined;
    const require = (): ((data: unknown) => Result) => {
      try {
        compiled ??= compile();
      } catch (error) {
        throw new Error(`a schema of ${method} ${url} cannot be compiled`, { cause: error });
      }
      this.#unused.delete(require);
      return compiled;
    };
    this.#unused.add(require);
    return (data) => (compiled ?? require())(data);
  }
}

/** Parts of paths are texts: where a schema asks for nothing else, looking for values to convert costs more than the check. */
function withoutConversion<Route extends { readonly httpPart?: string; readonly schema?: unknown }>(
  route: Route,
): Route {
  const { properties = {} } = (route.schema ?? {}) as {
    readonly properties?: Readonly<Record<string, { readonly type?: unknown }>>;
  };
  const isText = Object.values(properties).every(({ type }) => type === "string");
  // A body is the part that is not converted.
  return route.httpPart === "params" && isText ? { ...route, httpPart: "body" } : route;
}
