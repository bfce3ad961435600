/** Waiting for a job: what a button returns, from the dialog to what comes after. */

import {registry} from "@web/core/registry";
import {browser} from "@web/core/browser/browser";

const tour = (name, steps) =>
    registry.category("web_tour.tours").add(name, {steps: () => steps});

const dialog = ".modal .o_queue_job_progress";
const moves = {
    content: "the bar moves",
    trigger: `${dialog} .o_queue_job_progress_percent:contains(40%)`,
};
const opensResult = {
    content: "the action which the job has returned",
    trigger: ".o_list_view .o_breadcrumb:contains(Result of the job)",
};

tour("queue_job_wait_result", [{trigger: dialog}, moves, opensResult]);

tour("queue_job_wait_reload", [
    moves,
    {
        content: "the page is loaded again in the middle",
        trigger: dialog,
        run: () => browser.location.reload(),
        expectUnloadPage: true,
    },
    {content: "it goes on waiting", trigger: dialog},
    opensResult,
]);

tour("queue_job_wait_failure", [
    {
        content: "says what went wrong",
        trigger: ".modal .o_queue_job_failure p:contains(The shop is closed)",
    },
    {content: "and how, to a manager", trigger: ".modal .o_queue_job_failure details"},
    {trigger: ".modal .o_queue_job_open", run: "click"},
    {
        content: "the form of the job",
        trigger: ".o_form_view .o_last_breadcrumb_item:contains(Tour wait)",
    },
]);

tour("queue_job_wait_cancel", [
    moves,
    {trigger: ".modal .o_queue_job_cancel", run: "click"},
    {
        content: "told when the job has ended",
        trigger: ".o_notification:contains(The job was cancelled)",
    },
    {trigger: "body:not(:has(.modal))"},
]);
