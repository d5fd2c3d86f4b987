-- Lines that say how their steps ended, and what a build does behind its steps.

alter table build_lines add column ended jsonb;

-- Milliseconds: settle_ms, freeze_ms, smoke_test_ms.
alter table builds add column durations jsonb not null default '{}';
