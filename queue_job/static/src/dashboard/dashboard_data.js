/** What the dashboard makes of the figures of the server. Pure functions. */

import {_t} from "@web/core/l10n/translation";
import {stateLabel} from "../core/job_states";

const {DateTime} = luxon;

export const PERIODS = [
    {key: "hour", label: _t("Hour")},
    {key: "day", label: _t("Day")},
    {key: "week", label: _t("Week")},
];

const READY = [
    ["state", "=", "pending"],
    ["scheduled", "=", false],
];
const SCHEDULED = [
    ["state", "=", "pending"],
    ["scheduled", "=", true],
    ["gate_state", "not in", ["new", "waiting"]],
];
const HELD = [
    ["state", "=", "pending"],
    ["gate_state", "in", ["new", "waiting"]],
];

/** The counted states in the order of a job's life. */
const CARDS = [
    {key: "wait_dependencies", state: "wait_dependencies"},
    {key: "scheduled", state: "pending", label: _t("Scheduled"), domain: SCHEDULED},
    {key: "held", state: "pending", label: _t("Held"), domain: HELD, optional: true},
    {key: "pending", state: "pending", label: _t("Ready"), domain: READY},
    {key: "enqueued", state: "enqueued"},
    {key: "started", state: "started"},
    {key: "failed", state: "failed"},
];

/**
 * Return one card for each state: what it counts and which jobs it opens. Few databases
 * have jobs with keys: what is held by them is shown only where there is some.
 */
export function stateCards(states) {
    const cards = CARDS.filter(({key, optional}) => !optional || states[key]?.count);
    return cards.map(({key, state, label, domain}) => ({
        key,
        state,
        label: label || stateLabel(state),
        domain: domain || [["state", "=", state]],
        ...(states[key] || {count: 0, estimated: false}),
    }));
}

/** Return what was done in the whole period. */
export function totals(series) {
    const sum = (key) => series.reduce((total, point) => total + point[key], 0);
    return {done: sum("done"), failed: sum("failed"), retried: sum("retried")};
}

/** Return the domain of the jobs which ended in a span of time. */
export function endedDomain(state, from, to) {
    const text = (seconds) =>
        DateTime.fromSeconds(seconds, {zone: "utc"}).toFormat("yyyy-MM-dd HH:mm:ss");
    const field = state === "done" ? "date_done" : "date_started";
    const domain = [
        ["state", "=", state],
        [field, ">=", text(from)],
    ];
    return to ? [...domain, [field, "<", text(to)]] : domain;
}

export function timeLabels(series, period) {
    const format = period === "week" ? "ccc HH:mm" : "HH:mm";
    return series.map(({time}) => DateTime.fromSeconds(time).toFormat(format));
}

export function throughputDatasets(series) {
    const data = (key) => series.map((point) => point[key]);
    return [
        {label: stateLabel("done"), state: "done", data: data("done")},
        {label: stateLabel("failed"), state: "failed", data: data("failed")},
        {label: String(_t("Retried")), state: "started", data: data("retried")},
    ];
}

export function waitDatasets(series) {
    const data = (key) => series.map((point) => point[key] ?? 0);
    return [
        {label: String(_t("Mean wait")), state: "pending", data: data("wait")},
        {label: String(_t("Longest wait")), state: "started", data: data("wait_max")},
    ];
}

/** Return how many kinds of failures there are besides those that are listed. */
export function moreKinds(failures) {
    return Math.max((failures[0]?.kinds || 0) - failures.length, 0);
}

/** Return how full a channel is, in percent; null where it has no limit. */
export function fullness({running, capacity}) {
    return capacity ? Math.min(100, Math.round((100 * running) / capacity)) : null;
}
