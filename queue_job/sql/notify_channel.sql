-- The notification of the job runner when channels change (see notify.sql).

CREATE OR REPLACE FUNCTION queue_job_channel_notify() RETURNS trigger AS $$
BEGIN
    PERFORM pg_notify('queue_job', 'channels');
    RETURN NULL;
END;
$$ LANGUAGE plpgsql;

DROP TRIGGER IF EXISTS queue_job_channel ON queue_job_channel;
CREATE TRIGGER queue_job_channel
    AFTER INSERT OR UPDATE OR DELETE ON queue_job_channel
    FOR EACH STATEMENT
    EXECUTE FUNCTION queue_job_channel_notify();
