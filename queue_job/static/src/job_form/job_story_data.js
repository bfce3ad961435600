/** What happened to a job, in a few words. Pure functions. */

import {_t} from "@web/core/l10n/translation";
import {formatDuration} from "../core/durations";
import {FINAL_STATES} from "../core/job_states";

const seconds = (from, to) => Math.max(0, (to - from) / 1000);

/** Return since when the job could run. */
function runnableSince({date_created, eta, date_runnable}) {
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
    // a failed job has no end of its own: its last attempt has
    const last = job.state === "failed" && job.attempts?.at(-1);
    if (last?.date_start && last.date_end) {
        const time = seconds(last.date_start, last.date_end);
        return {label: _t("Ran"), value: formatDuration(time)};
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

function worker({worker_host, worker_pid}) {
    return worker_pid
        ? {label: _t("Worker"), value: `${worker_host || "?"}:${worker_pid}`}
        : null;
}

/**
 * Return the facts worth telling: `[{key, label, value}]`.
 *
 * @param {Object} job data of the record; dates as luxon DateTime, and its `attempts`
 * @param {DateTime} now
 */
export function story(job, now) {
    const facts = {
        waiting: waiting(job, now),
        running: running(job, now),
        attempt: attempt(job),
        worker: worker(job),
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

/**
 * Return a Python traceback as lines, each with what it is: "file" (with whether it is
 * code of Odoo itself), "code", or "error" for the last ones, which say what happened.
 */
export function tracebackLines(text) {
    let core = false;
    return (text || "")
        .trimEnd()
        .split("\n")
        .map((line) => {
            const file = line.match(/^\s+File "(.*?)", line \d+/);
            if (file) {
                core =
                    /\/odoo\/(addons\/(base|web|mail)\/|orm\/|api|http|service|sql_db|models|tools)|\/queue_job\//.test(
                        file[1]
                    );
                return {line, kind: "file", core};
            }
            if (/^\s/.test(line) || !line) {
                return {line, kind: "code", core};
            }
            return {
                line,
                kind: line.startsWith("Traceback") ? "code" : "error",
                core: false,
            };
        });
}
