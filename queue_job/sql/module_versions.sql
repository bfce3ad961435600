-- A table without a model: nobody but the queue itself reads and writes it.

-- When which version of a module came; what was there first has no date.
CREATE TABLE IF NOT EXISTS queue_job_module_version (
    module varchar NOT NULL,
    version varchar NOT NULL,
    date timestamp
);
CREATE INDEX IF NOT EXISTS queue_job_module_version_idx
    ON queue_job_module_version (module, date);
