/**
 * Key in the tab's storage under which a page keeps where to come back to when a person leaves it for a provider. The tab keeps
 * it on the way through another site, and only pages of this origin can write it.
 */
export const RETURN_TO_KEY = "wrenn_way_back";
