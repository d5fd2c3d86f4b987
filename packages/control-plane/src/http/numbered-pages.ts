import { Type } from "typebox";

const PER_PAGE = 100;
const MAX_PAGE = 1_000_000;

/** Lists that the contract counts through instead of giving cursors (contract 10 §13). */
export const NumberedQuery = Type.Object({
  page: Type.Optional(Type.Integer({ minimum: 1, maximum: MAX_PAGE, default: 1 })),
});

/** What a page says of itself, beside its entries. */
export const numbering = {
  total: Type.Integer(),
  page: Type.Integer(),
  per_page: Type.Integer(),
  total_pages: Type.Integer(),
};

/** Which entries a page has, and what it says of itself. */
export function stretchOf({ page = 1 }: { readonly page?: number }) {
  return {
    offset: (page - 1) * PER_PAGE,
    limit: PER_PAGE,
    about: (total: number) => ({
      total,
      page,
      per_page: PER_PAGE,
      total_pages: Math.ceil(total / PER_PAGE),
    }),
  };
}
