/** The life of a job as a list of moments. Pure functions. */

import {_t} from "@web/core/l10n/translation";
import {formatDuration} from "../core/durations";
import {runnableSince} from "./job_story_data";

const seconds = (from, to) => Math.max(0, (to - from) / 1000);

/** The outcomes of attempts in the colours of the states. */
const OUTCOME_STATES = {
    done: "done",
    postponed: "pending",
    returned: "pending",
    conflict: "started",
    cancelled: "cancelled",
};

function moment(key, state, label, date, note = "", more = {}) {
    return {key, state, label: String(label), date, note: String(note), ...more};
}

/** What came before the first attempt. */
function beginning({date_created, eta, date_runnable}) {
    const found = [];
    if (date_created) {
        found.push(moment("created", "pending", _t("Enqueued"), date_created));
    }
    if (eta && date_created && eta > date_created) {
        found.push(moment("eta", "pending", _t("Date before which it waits"), eta));
    }
    if (date_runnable) {
        const label = _t("Back in the queue, or its last parent ended");
        found.push(moment("runnable", "pending", label, date_runnable));
    }
    return found;
}

function ofAttempt({id, data, label}) {
    const {date_start, date_end} = data;
    const ran = date_start && date_end ? seconds(date_start, date_end) : null;
    const state = OUTCOME_STATES[data.outcome] || "failed";
    const title = _t("Attempt %(number)s: %(outcome)s", {
        number: data.number,
        outcome: label,
    });
    const note = ran === null ? "" : _t("ran %s", formatDuration(ran));
    return moment(`attempt-${id}`, state, title, date_start || date_end, note, {
        exc_name: data.exc_name || "",
        message: data.message || "",
        worker: data.worker_pid ? `${data.worker_host || "?"}:${data.worker_pid}` : "",
    });
}

/** The attempt that runs, or that did well: it is on the job itself. */
function lastAttempt(job, now) {
    const {date_started, retry, state} = job;
    if (!date_started || !["started", "done"].includes(state)) {
        return [];
    }
    const since = runnableSince(job);
    const waited = since ? seconds(since, date_started) : 0;
    const notes = waited ? [_t("waited %s", formatDuration(waited))] : [];
    const number = retry || 1;
    let label = _t("Attempt %s: started", number);
    if (state === "started") {
        label = _t("Attempt %s: running", number);
        notes.push(_t("for %s", formatDuration(seconds(date_started, now))));
    }
    return [moment("started", "started", label, date_started, notes.join(", "))];
}

/** How it ended. */
function end({state, date_done, date_cancelled, failed_at, date_started, exec_time}) {
    const ran = date_started ? _t("ran %s", formatDuration(exec_time)) : "";
    const ends = [
        moment("done", "done", _t("Done"), date_done, ran),
        moment("cancelled", "cancelled", _t("Cancelled"), date_cancelled),
        moment("failed", "failed", _t("Failed"), state === "failed" && failed_at),
    ];
    return ends.filter(({date}) => date);
}

/**
 * Return the moments of a job in their order: `{key, state, label, date, note}`, and of
 * attempts their `exc_name`, `message` and `worker`.
 *
 * @param {Object} job data of the record; dates as luxon DateTime
 * @param {{id, data, label}[]} attempts those that did not end well
 * @param {DateTime} now
 */
export function timeline(job, attempts, now) {
    const found = [
        ...beginning(job),
        ...attempts.map(ofAttempt),
        ...lastAttempt(job, now),
        ...end(job),
    ];
    // stable: of two in the same second the earlier step comes first
    return found.sort((a, b) => (a.date && b.date ? a.date - b.date : 0));
}
