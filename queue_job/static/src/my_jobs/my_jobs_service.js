/**
 * How many jobs of the user have not ended, for the counter in the systray.
 *
 * The page brings the number with it. Nothing is asked for while it is zero: that there
 * is a new job says a cookie, which the answer to the call that delayed it has brought
 * (`enqueue/browser_hint.py`). While there are open jobs, the counter asks whenever
 * something changes in the queue, or every few seconds without websocket.
 */

import {browser} from "@web/core/browser/browser";
import {cookie} from "@web/core/browser/cookie";
import {rpcBus} from "@web/core/network/rpc";
import {registry} from "@web/core/registry";
import {session} from "@web/session";

import {reactive} from "@odoo/owl";

const COOKIE = "queue_job_enqueued";

/** Milliseconds from the news to the question: some jobs are delayed one by one. */
export const SOON = 300;

/** Seconds in which the dialog that waits for a job has heard of its end. */
export const DIALOG_SECONDS = 15;

export const myJobsService = {
    dependencies: ["bus_service", "orm", "queue_job.notification"],
    start(env, {bus_service: bus, orm, "queue_job.notification": notification}) {
        const state = reactive({open: 0, untold: false});
        /** The jobs whose dialog the user has left. */
        const left = new Set();
        let last = cookie.get(COOKIE);
        let timer = null;

        function take({open, notices}) {
            state.open = open;
            state.untold = Boolean(notices.length);
            const due = notices.filter(
                ({awaited, seconds, uuid}) =>
                    !awaited || seconds > DIALOG_SECONDS || left.has(uuid)
            );
            return notification.tell(due.map(({id}) => id));
        }
        async function refresh() {
            return take(await orm.silent.call("queue.job.mine", "get_news", []));
        }
        function soon() {
            browser.clearTimeout(timer);
            // who cannot be reached is asked again
            timer = browser.setTimeout(() => refresh().catch(() => {}), SOON);
        }
        rpcBus.addEventListener("RPC:RESPONSE", () => {
            const enqueued = cookie.get(COOKIE);
            if (enqueued && enqueued !== last) {
                last = enqueued;
                soon();
            }
        });
        bus.subscribe("queue_job.state", () => (state.open ? soon() : undefined));
        env.bus.addEventListener(
            "WEB_CLIENT_READY",
            () => session.queue_job && take(session.queue_job),
            {once: true}
        );
        return {
            state,
            refresh,
            /** The user has left the dialog which waits for a job. */
            leave(uuid) {
                left.add(uuid);
                soon();
            },
        };
    },
};

registry.category("services").add("queue_job.mine", myJobsService);
