-- Builds from the text of a recipe.

alter table builds add column recipe_text text;
-- Name of the recipe's file, arguments, what of the archive is for which step, and from where on steps are repeated.
alter table builds add column recipe_options jsonb not null default '{}';
-- Sealed; deleted when the build ends.
alter table builds add column secrets bytea;
