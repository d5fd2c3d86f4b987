-- What capsules of a template may reach unless their create says otherwise: what the capsule that it was made of may. Null is the default,
-- also for templates that are there already, of which it is not known.
alter table templates add column network jsonb;
