import {beforeEach, describe, expect, test} from "@odoo/hoot";
import {queryAllTexts} from "@odoo/hoot-dom";
import {advanceTime, animationFrame} from "@odoo/hoot-mock";
import {
    fullness,
    moreKinds,
    stateCards,
    totals,
} from "@queue_job/dashboard/dashboard_data";
import {capacityText} from "@queue_job/core/capacity";
import {QueueJobDashboard} from "@queue_job/dashboard/dashboard";
import {HealthBanner} from "@queue_job/health/health_banner";
import {usePolling} from "@queue_job/core/polling";
import {
    allowTranslations,
    contains,
    getService,
    mountWithCleanup,
    onRpc,
    patchWithCleanup,
    preloadBundle,
} from "@web/../tests/web_test_helpers";
import {WebClient} from "@web/webclient/webclient";
import {defineMailModels} from "@mail/../tests/mail_test_helpers";

import {Component, xml} from "@odoo/owl";

defineMailModels();

const point = (time, done) => ({
    time,
    done,
    failed: 1,
    retried: 0,
    wait: 0.2,
    wait_max: 3,
});
const channel = (name, values) => ({
    id: 7,
    name,
    depth: name.split(".").length - 1,
    running: 0,
    waiting: 0,
    oldest: 0,
    capacity: 4,
    sequential: false,
    throttle: 0,
    paused: false,
    pause: false,
    fixed: "",
    may_change: true,
    ...values,
});

const figures = (values) => ({
    problems: [],
    states: {
        pending: {count: 12345, estimated: true},
        started: {count: 3, estimated: false},
        failed: {count: 2, estimated: false},
    },
    since: "2026-11-21 10:00:00",
    series: [point(60, 5), point(120, 6)],
    channels: [
        channel("root", {running: 3}),
        channel("root.mail", {id: 8, waiting: 4}),
    ],
    slowest: [
        {
            function: "<a>.slow",
            attempts: 2,
            mean: 3,
            p95: 9,
            run_max: 10,
            failed: 0,
            retried: 0,
        },
    ],
    failing: [],
    may_requeue: true,
    failures: [
        {
            function: "<a>.slow",
            exc_name: "KeyError",
            count: 2,
            message: "x",
            last: false,
        },
    ],
    running: [{id: 42, name: "Import", channel: "root", worker: "app1:7", seconds: 75}],
    runners: [
        {host: "app1", pid: 1, alive: true, age: 2, running: 3, root_capacity: 4},
    ],
    workers: [{host: "app1", pid: 7, running: 1}],
    ...values,
});

describe("data", () => {
    describe.current.tags("headless");
    beforeEach(allowTranslations);

    test("each state has a card, also where nothing is", () => {
        const cards = stateCards(figures().states);
        expect(cards.map(({key, count}) => `${key} ${count}`)).toEqual([
            "wait_dependencies 0",
            "scheduled 0",
            "pending 12345",
            "enqueued 0",
            "started 3",
            "failed 2",
        ]);
    });

    test("what is held by its key has a card where there is some", () => {
        const held = {count: 7, estimated: false};
        const card = stateCards({held}).find(({key}) => key === "held");
        expect([card.count, String(card.label)]).toEqual([7, "Held"]);
        expect(card.domain).toEqual([
            ["state", "=", "pending"],
            ["gate_state", "in", ["new", "waiting"]],
        ]);
    });

    test("sums and shares", () => {
        expect(totals(figures().series)).toEqual({done: 11, failed: 2, retried: 0});
        expect(fullness({running: 3, capacity: 4})).toBe(75);
        expect(fullness({running: 9, capacity: 4})).toBe(100);
        expect(fullness({running: 9, capacity: 0})).toBe(null);
        expect(fullness({running: 9, capacity: null})).toBe(null);
    });

    test("no limit and off are words", () => {
        expect([null, false, 0, 3].map(capacityText)).toEqual([
            "no limit",
            "no limit",
            "off",
            "3",
        ]);
    });
});

describe("dashboard", () => {
    describe.current.tags("desktop");
    preloadBundle("web.chartjs_lib");

    async function open() {
        await mountWithCleanup(WebClient);
        await getService("action").doAction({
            type: "ir.actions.client",
            tag: "queue_job_dashboard",
        });
        await animationFrame();
    }

    test("shows the figures and asks for them again", async () => {
        let running = 3;
        onRpc("queue.job.dashboard", "get_figures", ({args}) => {
            expect.step(`figures of the ${args[0]}`);
            return figures({channels: [channel("root", {running: running++})]});
        });
        await open();
        expect(".o_job_card[data-state=pending]").toHaveText(/≈ 12,345/);
        expect(".o_job_card[data-state=done]").toHaveText(/11/);
        expect("[data-channel=root] .o_job_running").toHaveText("3 / 4");
        expect("[data-channel=root] .progress").toHaveAttribute("aria-valuenow", "75");
        expect(".o_job_chart canvas").toHaveCount(2);
        await advanceTime(5000);
        await animationFrame();
        expect("[data-channel=root] .o_job_running").toHaveText("4 / 4");
        await contains("[data-period=week]").click();
        expect.verifySteps([
            "figures of the hour",
            "figures of the hour",
            "figures of the week",
        ]);
    });

    test("every figure opens the jobs behind it", async () => {
        onRpc("queue.job.dashboard", "get_figures", () => figures());
        patchWithCleanup(QueueJobDashboard.prototype, {
            setup() {
                super.setup();
                this.action = {
                    doAction({domain, res_id}) {
                        expect.step(res_id ? `job ${res_id}` : JSON.stringify(domain));
                    },
                };
            },
        });
        await open();
        await contains("[data-state=pending]").click();
        await contains("[data-state=done]").click();
        await contains("[data-channel='root'] .o_job_running").click();
        await contains("[data-channel='root.mail'] .o_job_waiting").click();
        await contains(".o_job_failures .btn-link").click();
        await contains(".o_job_panel .btn-link:contains(Import)").click();
        await contains(".o_job_panel .btn-link:contains(slow):last").click();
        await contains(".o_job_runners .btn-link").click();
        expect.verifySteps([
            '[["state","=","pending"],["scheduled","=",false]]',
            '[["state","=","done"],["date_done",">=","1970-01-01 00:01:00"]]',
            '[["state","in",["enqueued","started"]],"|",["channel","=","root"],["channel","=like","root.%"]]',
            '[["state","in",["pending"]],["channel","=","root.mail"]]',
            '[["state","=","failed"],["channel_method_name","=","<a>.slow"],["exc_name","=","KeyError"]]',
            "job 42",
            '[["channel_method_name","=","<a>.slow"],["state","in",["done","started"]],["date_created",">=","2026-11-21 10:00:00"]]',
            '[["state","=","started"],["worker_host","=","app1"],["worker_pid","=",7]]',
        ]);
    });

    test("a kind of failure opens its page, and a link all of them", async () => {
        const failure = {function: "<a>.slow", exc_name: "KeyError", count: 2};
        const failures = [{...failure, kind: "1f05bb8f", kinds: 34}];
        onRpc("queue.job.dashboard", "get_figures", () => figures({failures}));
        onRpc("queue.job.failure.kind", "open_kind", ({args}) => ({name: args[0]}));
        patchWithCleanup(QueueJobDashboard.prototype, {
            setup() {
                super.setup();
                const doAction = (action) => expect.step(action.name || action);
                this.action = {doAction};
            },
        });
        await open();
        expect(".o_job_all_failures").toHaveText("All failures (33 more kinds)");
        await contains(".o_job_failures td .btn-link").click();
        await contains(".o_job_all_failures").click();
        expect.verifySteps(["1f05bb8f", "queue_job.action_queue_job_failure_kind"]);
        expect(moreKinds([])).toBe(0);
    });

    test("a paused queue is resumed by one click", async () => {
        onRpc("queue.job.dashboard", "get_figures", () =>
            figures({channels: [channel("root", {paused: true})]})
        );
        onRpc("queue.job.channel", "*", ({method, args}) => {
            expect.step(`${method} ${JSON.stringify(args)}`);
            return true;
        });
        await open();
        await contains("[data-channel=root] .o_job_resume").click();
        await contains(".o_job_resume_all").click();
        expect.verifySteps(["action_resume [[7]]", "action_resume_all [[]]"]);
    });

    test("a pause asks first, and is shown with its reason", async () => {
        const pause = "Paused by Mitchell until 18:00: month end";
        const channels = [
            channel("root"),
            channel("root.shop", {id: 8, paused: true, pause}),
        ];
        onRpc("queue.job.dashboard", "get_figures", () => figures({channels}));
        onRpc("queue.job.channel", "*", ({method, args}) => {
            expect.step(`${method} ${JSON.stringify(args)}`);
            return {type: "ir.actions.act_window", name: "Pause"};
        });
        patchWithCleanup(QueueJobDashboard.prototype, {
            setup() {
                super.setup();
                this.action = {
                    doAction: ({name}, {onClose}) => {
                        expect.step(name);
                        return onClose();
                    },
                };
            },
        });
        await open();
        expect(queryAllTexts(".o_job_pause_text")).toEqual([pause]);
        await contains("[data-channel=root] .o_job_pause").click();
        await contains(".o_job_pause_all").click();
        expect.verifySteps([
            "action_ask_pause [[7]]",
            "Pause",
            "action_ask_pause_all [[]]",
            "Pause",
        ]);
    });

    test("what belongs to all companies is paused by who works in all", async () => {
        const channels = [
            channel("root", {may_change: false}),
            channel("root.mine", {id: 8}),
        ];
        const states = {pending: {count: 10000, estimated: false, at_least: true}};
        onRpc("queue.job.dashboard", "get_figures", () => figures({channels, states}));
        await open();
        expect(".o_job_pause_all").toHaveCount(0);
        expect("[data-channel=root] .o_job_pause").toHaveCount(0);
        expect("[data-channel='root.mine'] .o_job_pause").toHaveCount(1);
        expect(".o_job_card[data-state=pending]").toHaveText(/≥ 10,000/);
    });

    test("failures of a kind are requeued by a dialog", async () => {
        onRpc("queue.job.dashboard", "get_figures", () => figures());
        onRpc("queue.job.dashboard", "requeue_failures", ({args}) => {
            expect.step(args.join(" "));
            return {type: "ir.actions.act_window", name: "Requeue Jobs"};
        });
        patchWithCleanup(QueueJobDashboard.prototype, {
            setup() {
                super.setup();
                this.action = {
                    doAction: ({name}, {onClose}) => expect.step(name) || onClose(),
                };
            },
            load() {
                expect.step("load");
                return super.load();
            },
        });
        await open();
        await contains(".o_job_requeue").click();
        expect.verifySteps(["load", "<a>.slow KeyError", "Requeue Jobs", "load"]);
    });
});

describe("parts", () => {
    describe.current.tags("desktop");

    test("the banner tells each problem", async () => {
        const problems = [
            {code: "paused", level: "danger", text: "No job starts."},
            {code: "deaf", level: "warning", text: "Jobs start late."},
        ];
        await mountWithCleanup(HealthBanner, {props: {problems}});
        expect(queryAllTexts("[role=alert]")).toEqual([
            "No job starts.",
            "Jobs start late.",
        ]);
        expect(".alert-danger").toHaveCount(1);
    });

    test("polling goes on after an error, more slowly, and ends with its component", async () => {
        class Watcher extends Component {
            static template = xml`<div/>`;
            static props = {};
            setup() {
                usePolling(async () => {
                    expect.step("call");
                    throw new Error("the server restarts");
                }, 1000);
            }
        }
        const watcher = await mountWithCleanup(Watcher);
        await advanceTime(1000);
        expect.verifySteps(["call"]);
        await advanceTime(1000);
        expect.verifySteps([]);
        await advanceTime(1000);
        expect.verifySteps(["call"]);
        watcher.__owl__.app.destroy();
        await advanceTime(60000);
        expect.verifySteps([]);
    });
});
