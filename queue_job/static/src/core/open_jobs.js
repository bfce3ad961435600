/** How the web client opens the jobs behind a figure. */

export const JOB_MODEL = "queue.job";

/** Return the action which lists the jobs of a domain. */
export function jobsAction(name, domain) {
    return {
        type: "ir.actions.act_window",
        name: String(name),
        res_model: JOB_MODEL,
        views: [
            [false, "list"],
            [false, "kanban"],
            [false, "form"],
        ],
        domain,
        context: {},
    };
}

export function jobAction(id) {
    return {
        type: "ir.actions.act_window",
        res_model: JOB_MODEL,
        res_id: id,
        views: [[false, "form"]],
    };
}
