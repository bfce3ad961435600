/**
 * Toasts about the end of jobs which were delayed with `notify`.
 *
 * An end is told once: the first tab that the user looks at claims its notice, and shows
 * the toast. What nobody claims comes to the user's inbox, or by mail.
 */

import {_t} from "@web/core/l10n/translation";
import {registry} from "@web/core/registry";
import {user} from "@web/core/user";
import {openJob} from "../wait/wait_dialog";

const WATCHER_GROUP = "queue_job.group_queue_job_watcher";
export const MY_JOBS_ACTION = "queue_job.action_queue_job_mine";

const TOASTS = {
    done: {type: "success", text: (name) => _t("Done: %s", name)},
    failed: {type: "danger", text: (name) => _t("Failed: %s", name), sticky: true},
    cancelled: {type: "warning", text: (name) => _t("Cancelled: %s", name)},
};

export const jobNotificationService = {
    dependencies: ["action", "bus_service", "notification", "orm"],
    start(env, {action, bus_service: bus, notification, orm}) {
        /** Ids of the notices that came while nobody looked at this tab. */
        const unseen = new Set();

        async function open(jobId) {
            if (jobId && (await user.hasGroup(WATCHER_GROUP))) {
                return openJob(action, jobId);
            }
            return action.doAction(MY_JOBS_ACTION);
        }

        function show({job_id: jobId, name, state, error}) {
            const toast = TOASTS[state];
            const text = toast.text(name);
            notification.add(error || text, {
                ...(error ? {title: text} : {}),
                type: toast.type,
                sticky: Boolean(toast.sticky),
                buttons: [
                    {name: _t("Open"), primary: true, onClick: () => open(jobId)},
                ],
            });
        }

        /** Tell the notices of these ids, as soon as somebody looks. */
        async function tell(ids) {
            ids.forEach((id) => unseen.add(id));
            if (document.hidden || !unseen.size) {
                return;
            }
            const claimed = [...unseen];
            unseen.clear();
            const args = {ids: claimed};
            const notices = await orm.silent.call(
                "queue.job.mine",
                "claim_notices",
                [],
                args
            );
            notices.forEach(show);
        }

        bus.subscribe("queue_job.state", ({id, name, state, notify, notice}) => {
            if (!notify || !TOASTS[state]) {
                return;
            }
            return notice ? tell([notice]) : show({job_id: id, name, state});
        });
        document.addEventListener("visibilitychange", () => tell([]));
        return {tell};
    },
};

registry.category("services").add("queue_job.notification", jobNotificationService);
