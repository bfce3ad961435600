/** The page behind the links of a digest: /odoo/failed-jobs?…&kind=… */

import {_t} from "@web/core/l10n/translation";
import {registry} from "@web/core/registry";
import {jobsAction} from "../core/open_jobs";

/** Return the action which opens a kind of failure. */
export function openKind(orm, kind) {
    return orm.call("queue.job.failure.kind", "open_kind", [kind]);
}

/**
 * Return the action which opens the kind of failure, if one is given; otherwise the one
 * which lists the failed jobs, of a function and an error if given.
 */
export function failedJobsAction(env, {params = {}}) {
    if (params.kind) {
        return openKind(env.services.orm, params.kind);
    }
    const domain = [["state", "=", "failed"]];
    if (params.function) {
        domain.push(["channel_method_name", "=", params.function]);
    }
    if (params.exc_name) {
        domain.push(["exc_name", "=", params.exc_name]);
    }
    return jobsAction(_t("Failed Jobs"), domain);
}
failedJobsAction.path = "failed-jobs";

registry.category("actions").add("queue_job_failed_jobs", failedJobsAction);
