import {beforeEach, describe, expect, test} from "@odoo/hoot";
import {
    arrange,
    cards,
    change,
    histogram,
    versionMarks,
} from "@queue_job/functions/functions_data";
import {allowTranslations} from "@web/../tests/web_test_helpers";

describe.current.tags("headless");
beforeEach(allowTranslations);

const rows = [
    {name: "<a>.x", label: "Contact: import", runs: 5, median: 0.5, last_run: false},
    {name: "<b>.y", label: "Order: ship", runs: 50, median: 0, last_run: "2026-11-21"},
    {name: "<c>.z", label: "Order: import", runs: 7, median: 9, last_run: "2026-11-20"},
];
const ARRANGED = [
    [{words: "", key: "runs", ascending: false}, ["b", "c", "a"]],
    [{words: "", key: "median", ascending: true}, ["b", "a", "c"]],
    [{words: "", key: "label", ascending: true}, ["a", "c", "b"]],
    [{words: "", key: "last_run", ascending: false}, ["b", "c", "a"]],
    [{words: "order import", key: "runs", ascending: false}, ["c"]],
    [{words: "<B>", key: "runs", ascending: false}, ["b"]],
    [{words: "nothing", key: "runs", ascending: false}, []],
];
for (const [how, expected] of ARRANGED) {
    test(`functions by ${how.key}, with "${how.words}"`, () => {
        expect(arrange(rows, how).map(({name}) => name[1])).toEqual(expected);
    });
}

test("the change of a figure", () => {
    expect([change(12, 10), change(5, 10), change(10, 10), change(5, 0)]).toEqual([
        "+20 %",
        "-50 %",
        "0 %",
        "",
    ]);
});

test("each figure stands beside that of the week before", () => {
    const span = (attempts) => ({
        attempts,
        failed: 0,
        retried: 0,
        median: 2,
        p95: 0,
        wait_median: 0,
        wait_p95: 0,
    });
    const found = cards({week: span(1500), before: span(1000)});
    const [runs] = found;
    expect([runs.value, runs.change, runs.before]).toEqual(["1,500", "+50 %", "1,000"]);
    const median = found.find(({key}) => key === "median");
    expect([median.value, median.change]).toEqual(["2 s", "0 %"]);
    expect(found.at(-1).value).toBe("–");
});

test("a histogram names the bounds of its classes", () => {
    const {labels, datasets} = histogram([
        {up_to: 0.5, week: 3, before: 1},
        {up_to: false, week: 0, before: 2},
    ]);
    expect(labels).toEqual(["≤ 500 ms", "> 500 ms"]);
    expect(datasets.map(({data}) => data)).toEqual([
        [3, 0],
        [1, 2],
    ]);
});

test("a version is marked at the span of time in which it came", () => {
    const series = [{time: 1000}, {time: 1100}, {time: 1200}];
    const versions = [
        {module: "shop", version: "2", time: 1150},
        {module: "base", version: "3", time: 1199},
        {module: "shop", version: "1", time: 999}, // before the chart
        {module: "shop", version: "3", time: 1300}, // after it
    ];
    expect(versionMarks(versions, series)).toEqual([
        {index: 1, label: "shop 2, base 3"},
    ]);
    expect(versionMarks(versions, [])).toEqual([]);
});
