-- How the table of jobs is kept. Each job is updated two or three times and rarely
-- read again: room in each page keeps its versions together, and vacuum has to come by
-- the number of jobs, not by the share of a big table.
ALTER TABLE queue_job SET (
    fillfactor = 70,
    autovacuum_vacuum_threshold = 2000,
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_analyze_threshold = 2000,
    autovacuum_analyze_scale_factor = 0.05,
    autovacuum_vacuum_cost_delay = 0
);
-- Rows which other programs insert need the start of the fence as well.
ALTER TABLE queue_job ALTER COLUMN claim_token SET DEFAULT 0;
