/** The page behind the links of a digest: /odoo/failed-jobs?function=…&exc_name=… */

import {_t} from "@web/core/l10n/translation";
import {registry} from "@web/core/registry";
import {jobsAction} from "../core/open_jobs";

/** Return the action which lists the failed jobs, of a function and an error if given. */
export function failedJobsAction(env, {params = {}}) {
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
