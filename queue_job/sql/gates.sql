-- The columns of jobs with a key (see keys/rules.py): whoever writes the state, the order or
-- the date of such a job, raw SQL included, holds it and marks its key as to be judged.
--
-- After the row and not before: a BEFORE trigger would lock each row of the table once
-- more at each update. Jobs without a key don't call the function. PostgreSQL reads the
-- condition of a trigger anew for each statement, so the longer part of it is in there.
-- What has only waited leaves no place: to cancel 100,000 held jobs marks none.

-- Marks the first that waits, when a job has left its key without a trace.
CREATE OR REPLACE FUNCTION queue_job_gate_left(old_channel text, old_gate text)
RETURNS void AS $$
    UPDATE queue_job SET gate_state = 'new'
     WHERE id = (SELECT id FROM queue_job
                  WHERE gate = old_gate AND channel = old_channel
                    AND state = 'pending' AND gate_state = 'waiting'
                  ORDER BY priority, date_created, id LIMIT 1
                    FOR NO KEY UPDATE SKIP LOCKED);
    SELECT pg_notify('queue_job', 'jobs');
$$ LANGUAGE sql;

CREATE OR REPLACE FUNCTION queue_job_gate() RETURNS trigger AS $$
BEGIN
    IF NEW.state IN ('enqueued', 'started') OR (
        (NEW.gate_state IS DISTINCT FROM 'new' AND (
            OLD.state IS DISTINCT FROM NEW.state AND (
                NEW.state = 'pending' OR OLD.state <> 'pending'
                OR OLD.gate_state IS DISTINCT FROM 'waiting')
            OR NEW.state = 'pending' AND (
                OLD.priority IS DISTINCT FROM NEW.priority
                OR OLD.eta IS DISTINCT FROM NEW.eta)
        ))
        OR OLD.channel IS DISTINCT FROM NEW.channel
        OR (NEW.state = 'pending' AND NEW.scheduled IS NOT TRUE
            AND NEW.gate_state IS DISTINCT FROM 'open')
    ) IS NOT TRUE THEN
        RETURN NULL;
    END IF;
    UPDATE queue_job
       SET gate_state = 'new', channel = coalesce(channel, 'root'),
           scheduled = CASE WHEN state = 'pending' THEN TRUE ELSE scheduled END
     WHERE id = NEW.id;
    IF OLD.channel IS DISTINCT FROM NEW.channel AND (
        OLD.gate_state = 'open'
        OR OLD.gate_limit = 0 AND (OLD.gate_state = 'later' OR OLD.state = 'failed')
    ) THEN
        PERFORM queue_job_gate_left(OLD.channel, OLD.gate);
    END IF;
    PERFORM pg_notify('queue_job', 'jobs');
    RETURN NULL;
END;
$$ LANGUAGE plpgsql;

DROP TRIGGER IF EXISTS queue_job_gate ON queue_job;
CREATE TRIGGER queue_job_gate
    AFTER UPDATE ON queue_job
    FOR EACH ROW
    WHEN (NEW.gate IS NOT NULL)
    EXECUTE FUNCTION queue_job_gate();

CREATE OR REPLACE FUNCTION queue_job_gate_deleted() RETURNS trigger AS $$
BEGIN
    PERFORM queue_job_gate_left(OLD.channel, OLD.gate);
    RETURN NULL;
END;
$$ LANGUAGE plpgsql;

DROP TRIGGER IF EXISTS queue_job_gate_deleted ON queue_job;
CREATE TRIGGER queue_job_gate_deleted
    AFTER DELETE ON queue_job
    FOR EACH ROW
    WHEN (
        OLD.gate IS NOT NULL AND (
            OLD.state IN ('enqueued', 'started')
            OR OLD.state = 'pending' AND OLD.gate_state = 'open'
            OR OLD.gate_limit = 0 AND (OLD.gate_state = 'later' OR OLD.state = 'failed')
        )
    )
    EXECUTE FUNCTION queue_job_gate_deleted();
