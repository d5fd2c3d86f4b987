import { Type } from "typebox";

const PER_PAGE = 100;
const MAX_PAGE = 1_000_000;

/** Lists that are numbered instead of having cursors (docs/reference/rest-api.md#pages). */
export const NumberedQuery = Type.Object({
  page: Type.Optional(Type.Integer({ minimum: 1, maximum: MAX_PAGE, default: 1 })),
});

/** Fields of a page next to its entries. */
export const pageInfoFields = {
  total: Type.Integer(),
  page: Type.Integer(),
  per_page: Type.Integer(),
  total_pages: Type.Integer(),
};

/** The entries of a page, by offset and limit, and its fields once the total is known. */
export function pageSlice({ page = 1 }: { readonly page?: number }) {
  return {
    offset: (page - 1) * PER_PAGE,
    limit: PER_PAGE,
    pageInfo: (total: number) => ({
      total,
      page,
      per_page: PER_PAGE,
      total_pages: Math.ceil(total / PER_PAGE),
    }),
  };
}
