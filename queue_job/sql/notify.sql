-- The notification of the job runner: NOTIFY on channel "queue_job".
--
-- PostgreSQL serialises all transactions which notify, in the whole cluster, until
-- they are on disk. So it is sent only when jobs become runnable or change their
-- order: never for what runner and workers write themselves (enqueued, started,
-- done). The payload is constant; PostgreSQL merges equal ones of a transaction.
--
-- The script can be run again at any time. The trigger "queue_job_notify" replaces
-- the one of the same name that the community addon makes for each row.

CREATE OR REPLACE FUNCTION queue_job_notify() RETURNS trigger AS $$
BEGIN
    IF EXISTS (SELECT FROM new_jobs WHERE state = 'pending') THEN
        PERFORM pg_notify('queue_job', 'jobs');
    END IF;
    RETURN NULL;
END;
$$ LANGUAGE plpgsql;

-- Silent: a lease releases jobs and takes them itself, or else rings afterwards.
CREATE OR REPLACE FUNCTION queue_job_notify_update() RETURNS trigger AS $$
BEGIN
    IF current_setting('queue_job.bell', true) = 'silent' THEN
        RETURN NULL;
    END IF;
    IF OLD.state IS DISTINCT FROM 'pending'
       OR OLD.priority IS DISTINCT FROM NEW.priority
       OR OLD.eta IS DISTINCT FROM NEW.eta
       OR OLD.channel IS DISTINCT FROM NEW.channel
    THEN
        PERFORM pg_notify('queue_job', 'jobs');
    END IF;
    RETURN NULL;
END;
$$ LANGUAGE plpgsql;

DROP TRIGGER IF EXISTS queue_job_notify ON queue_job;
CREATE TRIGGER queue_job_notify
    AFTER INSERT ON queue_job
    REFERENCING NEW TABLE AS new_jobs
    FOR EACH STATEMENT
    EXECUTE FUNCTION queue_job_notify();

-- The condition is checked without a call of the function, so that other updates stay
-- cheap. PostgreSQL reads it anew for each statement: the long part is in the function.
DROP TRIGGER IF EXISTS queue_job_notify_update ON queue_job;
CREATE TRIGGER queue_job_notify_update
    AFTER UPDATE ON queue_job
    FOR EACH ROW
    WHEN (NEW.state = 'pending')
    EXECUTE FUNCTION queue_job_notify_update();
