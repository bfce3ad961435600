/**
 * The client action `queue_job_changed`: a notification that says what a change of jobs
 * did, with a button that undoes it. Afterwards the journal offers the same.
 */

import {_t} from "@web/core/l10n/translation";
import {registry} from "@web/core/registry";

/** Milliseconds for which the button is offered. */
export const UNDO_DELAY = 20000;

export function changedAction(env, {params}) {
    const {action, notification, orm} = env.services;
    const close = notification.add(params.message, {
        type: params.type,
        autocloseDelay: UNDO_DELAY,
        buttons: [
            {
                name: _t("Undo"),
                icon: "fa-undo",
                onClick: async () => {
                    close();
                    const args = [params.undo];
                    action.doAction(
                        await orm.call("queue.job.journal", "undo_change", args)
                    );
                },
            },
        ],
    });
    return params.next;
}

registry.category("actions").add("queue_job_changed", changedAction);
