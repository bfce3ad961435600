/** What happened to a job, in a few words. Pure functions. */

import {toLocaleDateTimeString} from "@web/core/l10n/dates";
import {_t} from "@web/core/l10n/translation";
import {formatDuration} from "../core/durations";
import {FINAL_STATES} from "../core/job_states";

const seconds = (from, to) => Math.max(0, (to - from) / 1000);

/** Return since when the job could run. */
export function runnableSince({date_created, eta, date_runnable}) {
    const dates = [date_created, eta, date_runnable].filter(Boolean);
    return dates.length ? dates.reduce((a, b) => (b > a ? b : a)) : undefined;
}

function waiting(job, now) {
    const since = runnableSince(job);
    if (job.state === "pending" && since && since > now) {
        return {label: _t("Starts in"), value: formatDuration(seconds(now, since))};
    }
    if (["pending", "enqueued"].includes(job.state) && since) {
        return {label: _t("Waiting for"), value: formatDuration(seconds(since, now))};
    }
    if (job.date_started && since) {
        return {
            label: _t("Waited"),
            value: formatDuration(seconds(since, job.date_started)),
        };
    }
    return null;
}

function running(job, now) {
    if (job.state === "started" && job.date_started) {
        return {
            label: _t("Running for"),
            value: formatDuration(seconds(job.date_started, now)),
        };
    }
    if (job.date_done && job.date_started) {
        return {label: _t("Ran"), value: formatDuration(job.exec_time)};
    }
    if (job.state === "failed" && job.failed_at) {
        return {label: _t("Ran"), value: formatDuration(job.run_time)};
    }
    return null;
}

function attempt({retry, max_retries, state}) {
    if (!retry) {
        return null;
    }
    const value = max_retries
        ? _t("%(attempt)s of %(max)s", {attempt: retry, max: max_retries})
        : String(retry);
    return {label: state === "failed" ? _t("Failed in attempt") : _t("Attempt"), value};
}

/** Return when the job came to its end. */
function ended({state, date_done, date_cancelled, failed_at}) {
    const ends = {
        done: {label: _t("Done"), date: date_done},
        cancelled: {label: _t("Cancelled"), date: date_cancelled},
        failed: {label: _t("Failed"), date: failed_at},
    };
    const end = ends[state];
    return end?.date
        ? {
              label: end.label,
              value: toLocaleDateTimeString(end.date, {showSeconds: true}),
          }
        : null;
}

/**
 * Return the facts worth telling: `[{key, label, value}]`.
 *
 * @param {Object} job data of the record; dates as luxon DateTime
 * @param {DateTime} now
 */
export function story(job, now) {
    const facts = {
        ended: ended(job),
        waiting: waiting(job, now),
        running: running(job, now),
        attempt: attempt(job),
    };
    return Object.entries(facts)
        .filter(([, fact]) => fact)
        .map(([key, {label, value}]) => ({
            key,
            label: String(label),
            value: String(value),
        }));
}

export const isOver = ({state}) => FINAL_STATES.includes(state);
