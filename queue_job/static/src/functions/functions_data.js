/** What the pages of job functions make of the figures of the server. Pure functions. */

import {_t} from "@web/core/l10n/translation";
import {formatDuration} from "../core/durations";
import {stateLabel} from "../core/job_states";

const {DateTime} = luxon;

/** The columns of the list: how they sort, and where they are shown. */
export const COLUMNS = [
    {key: "label", label: _t("Function"), ascending: true},
    {key: "runs", label: _t("Runs in 24 h"), number: true},
    {key: "failed", label: _t("Failed"), number: true},
    {key: "median", label: _t("Median"), number: true, time: true},
    {
        key: "median_before",
        label: _t("Week before"),
        number: true,
        time: true,
        wide: true,
    },
    {key: "p95", label: _t("95 % below"), number: true, time: true, wide: true},
    {key: "last_run", label: _t("Last ran in the hour from"), wide: true},
];

/** Return the rows whose label or name holds the words, in the order of a column. */
export function arrange(rows, {words, key, ascending}) {
    const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
    const found = rows.filter(({label, name}) => {
        const text = `${label} ${name}`.toLowerCase();
        return wanted.every((word) => text.includes(word));
    });
    const direction = ascending ? 1 : -1;
    const value = (row) => (row[key] || typeof row[key] === "number" ? row[key] : "");
    const compare = (a, b) =>
        typeof a === "string" || typeof b === "string"
            ? String(a).localeCompare(String(b))
            : a - b;
    return found.sort(
        (a, b) =>
            direction * compare(value(a), value(b)) || a.name.localeCompare(b.name)
    );
}

/** Return how much a figure has changed, as "+12 %"; nothing where there was none. */
export function change(now, before) {
    if (!before) {
        return "";
    }
    const percent = Math.round((100 * (now - before)) / before);
    return `${percent > 0 ? "+" : ""}${percent} %`;
}

/** Return the figures of the week, each with that of the week before. */
export function cards({week, before}) {
    const count = (key, state, label) => ({
        key,
        state,
        label: String(label),
        value: week[key].toLocaleString(),
        change: change(week[key], before[key]),
        before: before[key].toLocaleString(),
    });
    const time = (key, label) => ({
        key,
        state: "enqueued",
        label: String(label),
        value: String(formatDuration(week[key] || null) || "–"),
        change: change(week[key], before[key]),
        before: String(formatDuration(before[key] || null) || "–"),
    });
    return [
        count("attempts", "done", _t("Runs in 7 days")),
        count("failed", "failed", _t("Failures")),
        count("retried", "started", _t("Tried again")),
        time("median", _t("Median run time")),
        time("p95", _t("95 % ran less than")),
        time("wait_median", _t("Median wait")),
        time("wait_p95", _t("95 % waited less than")),
    ];
}

/** Return labels and data of a histogram: this week beside the one before. */
export function histogram(classes) {
    const last = classes.findLast(({up_to}) => up_to)?.up_to;
    return {
        labels: classes.map(({up_to}) =>
            up_to ? `≤ ${formatDuration(up_to)}` : `> ${formatDuration(last ?? 0)}`
        ),
        datasets: [
            {
                label: String(_t("Last 7 days")),
                state: "enqueued",
                data: classes.map(({week}) => week),
            },
            {
                label: String(_t("Week before")),
                state: "cancelled",
                data: classes.map(({before}) => before),
            },
        ],
    };
}

export function timeLabels(series) {
    return series.map(({time}) => DateTime.fromSeconds(time).toFormat("ccc HH:mm"));
}

/** Return how often it ran, by outcome, in each span of time. */
export function runDatasets(series) {
    const data = (key) => series.map((point) => point[key]);
    return [
        {label: stateLabel("done"), state: "done", data: data("done")},
        {label: stateLabel("failed"), state: "failed", data: data("failed")},
        {label: String(_t("Tried again")), state: "started", data: data("retried")},
    ];
}

/** Return how long it ran, this week and the one before. */
export function timeDatasets(series) {
    const data = (key) => series.map((point) => point[key]);
    return [
        {label: String(_t("Last 7 days")), state: "enqueued", data: data("median")},
        {
            label: String(_t("Week before")),
            state: "cancelled",
            data: data("median_before"),
        },
    ];
}

/**
 * Return a mark for each span of time in which a module changed its version:
 * `{index, label}`.
 */
export function versionMarks(versions, series) {
    if (series.length < 2) {
        return [];
    }
    const step = series[1].time - series[0].time;
    const marks = new Map();
    for (const {module, version, time} of versions) {
        const index = Math.floor((time - series[0].time) / step);
        if (index >= 0 && index < series.length) {
            const label = `${module} ${version}`;
            marks.set(index, [...(marks.get(index) || []), label]);
        }
    }
    return [...marks].map(([index, labels]) => ({index, label: labels.join(", ")}));
}
