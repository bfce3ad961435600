/**
 * The client action `queue_job_wait`: what `job.wait_action()` returns.
 *
 * It leaves the view where it is and shows a dialog above it until the job has ended.
 * Then comes the action which the job has returned, or the next action of the caller,
 * or the view is loaded again.
 *
 * What a tab waits for is kept in its session storage: a page that is loaded again goes
 * on waiting, and a job which ended meanwhile is dealt with at once.
 */

import {browser} from "@web/core/browser/browser";
import {_t} from "@web/core/l10n/translation";
import {registry} from "@web/core/registry";
import {FINAL_STATES} from "../core/job_states";
import {FailureDialog} from "./failure_dialog";
import {JobWatcher} from "../progress/job_watcher";
import {WaitDialog} from "./wait_dialog";

const STORAGE_KEY = "queue_job.waiting";

/** Milliseconds after which a quiet wait shows that something is loading. */
export const QUIET_DELAY = 250;

// -- what this tab waits for ---------------------------------------------------------

export function waitingParams() {
    try {
        return JSON.parse(browser.sessionStorage.getItem(STORAGE_KEY)) || [];
    } catch {
        return [];
    }
}

function keep(list) {
    browser.sessionStorage.setItem(STORAGE_KEY, JSON.stringify(list));
}

function remember(params) {
    keep([...waitingParams().filter(({uuid}) => uuid !== params.uuid), params]);
}

function forget(params) {
    keep(waitingParams().filter(({uuid}) => uuid !== params.uuid));
}

// -- waiting -------------------------------------------------------------------------

/** Wait in a dialog; return the last answer about the job, null if the user left. */
function waitInDialog(env, {uuid, message, cancellable, stages, timeout}) {
    return new Promise((resolve) => {
        env.services.dialog.add(
            WaitDialog,
            {uuid, message, cancellable, stages, timeout, onEnd: resolve},
            {onClose: () => resolve(null)}
        );
    });
}

/** Wait without a dialog, as for a slow call; return null when it takes too long. */
async function waitQuietly(env, {uuid, stages, timeout}) {
    const {ui} = env.services;
    let blocked = false;
    let watcher;
    const timers = [];
    const end = new Promise((resolve) => {
        watcher = new JobWatcher(env.services, uuid, {
            stages,
            onUpdate: (answer) => watcher.isOver && resolve(answer),
        });
        timers.push(browser.setTimeout(resolve, timeout * 1000, null));
        timers.push(
            browser.setTimeout(() => {
                blocked = true;
                ui.block();
            }, QUIET_DELAY)
        );
        watcher.start();
    });
    const answer = await end;
    watcher.stop();
    timers.forEach((timer) => browser.clearTimeout(timer));
    if (blocked) {
        ui.unblock();
    }
    return answer;
}

/** Wait for a job; return its last answer, or null if the user did not wait for it. */
export async function waitForJob(env, params) {
    remember(params);
    let answer = null;
    if (params.quiet) {
        answer = await waitQuietly(env, params);
    }
    if (!answer) {
        // a quiet wait that takes too long asks at once what to do
        answer = await waitInDialog(
            env,
            params.quiet ? {...params, timeout: 0} : params
        );
    }
    forget(params);
    tellOnce(env, params, answer);
    return answer;
}

/** Nothing else tells the user of an end which the dialog has told. */
function tellOnce({services}, {uuid}, answer) {
    if (!answer) {
        services["queue_job.mine"].leave(uuid);
    } else if (FINAL_STATES.includes(answer.state)) {
        services.orm.silent
            .call("queue.job.mine", "claim_notices", [], {uuid})
            .catch(() => {}); // it is told twice, then
    }
}

/** Return the action which follows on the end of a job. */
export function actionAfter(env, answer, params, options = {}) {
    const {dialog, notification} = env.services;
    if (!answer && options.onClose) {
        return reloadAction(options); // left to the background: so is the wizard
    }
    switch (answer?.state) {
        case "done":
            return answer.action || params.next_action || reloadAction(options);
        case "failed":
            dialog.add(FailureDialog, {job: answer});
            return;
        case "cancelled":
            if (params.stopped_action) {
                return params.stopped_action;
            }
            notification.add(_t("The job was cancelled."), {type: "warning"});
            return;
        case "unknown":
            notification.add(_t("This job does not exist, or is not yours."), {
                type: "warning",
            });
    }
}

/** A button knows how to load its view again, and closes the wizard it is in. */
function reloadAction({onClose}) {
    return onClose
        ? {type: "ir.actions.act_window_close"}
        : {type: "ir.actions.client", tag: "soft_reload"};
}

async function waitAction(env, action, options) {
    const params = {stages: [], timeout: 1200, ...action.params};
    const answer = await waitForJob(env, params);
    return actionAfter(env, answer, params, options);
}

registry.category("actions").add("queue_job_wait", waitAction);

// -- after a reload of the page --------------------------------------------------------

export const waitingService = {
    dependencies: [
        ...["action", "bus_service", "dialog", "notification", "orm", "ui"],
        "queue_job.mine",
    ],
    start(env) {
        env.bus.addEventListener(
            "WEB_CLIENT_READY",
            () => waitingParams().forEach(resume),
            {
                once: true,
            }
        );

        async function resume(params) {
            const answer = await waitForJob(env, params);
            const next = actionAfter(env, answer, params);
            if (next) {
                await env.services.action.doAction(next);
            }
        }
    },
};

registry.category("services").add("queue_job.waiting", waitingService);
