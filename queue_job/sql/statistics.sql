-- A table without a model: nobody but the queue itself reads and writes it.

-- What job functions did in an hour: the same as queue_job_statistic, with finer classes
-- of times (FINE_BOUNDS in monitoring/statistics.py), so that weeks are read at once.
CREATE TABLE IF NOT EXISTS queue_job_statistic_hour (
    hour timestamp NOT NULL,
    function varchar NOT NULL,
    channel varchar NOT NULL,
    company integer NOT NULL,
    done double precision,
    failed double precision,
    retried double precision,
    cancelled double precision,
    run_seconds double precision,
    run_max double precision,
    wait_seconds double precision,
    wait_max double precision,
    run_classes integer[],
    wait_classes integer[],
    PRIMARY KEY (function, hour, channel, company)
);
CREATE INDEX IF NOT EXISTS queue_job_statistic_hour_hour_idx
    ON queue_job_statistic_hour (hour);
