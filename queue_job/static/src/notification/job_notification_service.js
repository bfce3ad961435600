/** Toasts about the end of jobs which were delayed with `notify`. */

import {_t} from "@web/core/l10n/translation";
import {registry} from "@web/core/registry";
import {user} from "@web/core/user";
import {openJob} from "../wait/wait_dialog";

const MANAGER_GROUP = "queue_job.group_queue_job_manager";

const TOASTS = {
    done: {type: "success", text: (name) => _t("Done: %s", name)},
    failed: {type: "danger", text: (name) => _t("Failed: %s", name), sticky: true},
    cancelled: {type: "warning", text: (name) => _t("Cancelled: %s", name)},
};

export const jobNotificationService = {
    dependencies: ["action", "bus_service", "notification"],
    start(env, {action, bus_service: bus, notification}) {
        bus.subscribe("queue_job.state", async ({id, name, state, notify}) => {
            const toast = TOASTS[state];
            if (!notify || !toast) {
                return;
            }
            const buttons = [];
            if (id && (await user.hasGroup(MANAGER_GROUP))) {
                buttons.push({
                    name: _t("Open"),
                    primary: true,
                    onClick: () => openJob(action, id),
                });
            }
            notification.add(toast.text(name), {
                type: toast.type,
                sticky: Boolean(toast.sticky),
                buttons,
            });
        });
    },
};

registry.category("services").add("queue_job.notification", jobNotificationService);
