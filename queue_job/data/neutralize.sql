-- A copy of a production database must not run its jobs: every channel is paused.
-- Nothing is lost; "Resume" on the channels starts them again.
UPDATE queue_job_channel
   SET paused = true;
