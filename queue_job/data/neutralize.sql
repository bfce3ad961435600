-- A copy of a production database must not run its jobs: root is paused, and with it
-- every channel. Nothing is lost; "Resume All" starts them again, and
-- nothing else does.
UPDATE queue_job_channel
   SET paused = true, paused_until = NULL
 WHERE parent_id IS NULL;
