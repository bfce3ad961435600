-- A job that is deleted before it has ended as its child wants (see dependencies.py).
--
-- The foreign key deletes the edges of a deleted job, and a child without edges is free
-- to run. So the edges whose condition the parent doesn't meet are kept, without a
-- parent: nothing satisfies them any more, and their children are cancelled.
--
-- Before the row and not after: the foreign key must find no more than the others. Only
-- edges are written, so one statement may delete parents and children together; a child
-- that it has deleted already leaves an edge which must not be written.

CREATE OR REPLACE FUNCTION queue_job_keep_unmet_edges() RETURNS trigger AS $$
BEGIN
    UPDATE queue_job_dependency edge
       SET parent_id = NULL
     WHERE edge.parent_id = OLD.id
       AND NOT CASE edge.condition
               WHEN 'failed' THEN OLD.state = 'failed'
               WHEN 'always' THEN TRUE
               ELSE OLD.state = 'done'
               END
       AND EXISTS (SELECT FROM queue_job child WHERE child.id = edge.child_id);
    RETURN OLD;
END;
$$ LANGUAGE plpgsql;

DROP TRIGGER IF EXISTS queue_job_keep_unmet_edges ON queue_job;
CREATE TRIGGER queue_job_keep_unmet_edges
    BEFORE DELETE ON queue_job
    FOR EACH ROW
    EXECUTE FUNCTION queue_job_keep_unmet_edges();
