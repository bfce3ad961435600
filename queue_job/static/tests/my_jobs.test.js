import {beforeEach, describe, expect, test} from "@odoo/hoot";
import {advanceTime, animationFrame} from "@odoo/hoot-mock";
import {defineMailModels} from "@mail/../tests/mail_test_helpers";
import {
    contains,
    getService,
    MockServer,
    mountWithCleanup,
    onRpc,
    patchWithCleanup,
    serverState,
} from "@web/../tests/web_test_helpers";
import {cookie} from "@web/core/browser/cookie";
import {rpcBus} from "@web/core/network/rpc";
import {session} from "@web/session";
import {setHidden} from "@queue_job/../tests/hidden_tab";
import {WebClient} from "@web/webclient/webclient";

const COUNT = ".o_queue_job_mine_count";

/** What the server says; tests change it. */
let news;
let jobs;

const aJob = (values) => ({
    id: 1,
    uuid: "u1",
    name: "Report",
    state: "pending",
    phase: "Waiting",
    moment: "2026-01-01 12:00:00",
    percent: null,
    message: null,
    error: null,
    result: null,
    link: null,
    has_action: false,
    may_ask: true,
    may_cancel: false,
    may_retry: false,
    ...values,
});

beforeEach(() => {
    news = {open: 0, notices: []};
    jobs = [];
    onRpc("queue.job.dashboard", "watch", () => true);
    onRpc("queue.job.mine", "get_news", () => {
        expect.step("news");
        return news;
    });
    onRpc("queue.job.mine", "get_jobs", () => jobs);
    onRpc("queue.job.mine", "claim_notices", ({kwargs}) => {
        expect.step(`claim ${kwargs.ids}`);
        return kwargs.ids.map((id) => ({
            id,
            uuid: `u${id}`,
            job_id: false,
            name: `Report ${id}`,
            state: "failed",
            error: "The shop is closed",
        }));
    });
});

async function open(values = {}) {
    patchWithCleanup(session, {queue_job: {open: 0, notices: [], ...values}});
    await mountWithCleanup(WebClient);
    await animationFrame();
}

/** A call has delayed a job: the answer brings a cookie. */
async function enqueue() {
    cookie.set("queue_job_enqueued", String(Math.random()));
    rpcBus.trigger("RPC:RESPONSE", {data: {params: {}}, settings: {}});
    await advanceTime(500);
    await animationFrame();
}

describe("the counter", () => {
    describe.current.tags("desktop");
    defineMailModels();

    test("who has no jobs asks for nothing", async () => {
        await open();
        rpcBus.trigger("RPC:RESPONSE", {data: {params: {}}, settings: {}});
        await advanceTime(120000);
        expect(COUNT).toHaveCount(0);
        expect.verifySteps([]);
    });

    test("comes with the page, and moves", async () => {
        await open({open: 2});
        expect(COUNT).toHaveText("2");
        news.open = 1;
        await advanceTime(5100);
        await animationFrame();
        expect(COUNT).toHaveText("1");
        news.open = 0;
        await advanceTime(5100);
        await animationFrame();
        expect(COUNT).toHaveCount(0);
        expect.verifySteps(["news", "news"]);
        await advanceTime(120000);
        expect.verifySteps([]);
    });

    test("a call that delays a job wakes it up", async () => {
        await open();
        news.open = 100;
        await enqueue();
        expect(COUNT).toHaveText("99+");
        expect.verifySteps(["news"]);
    });

    test("leads to the page", async () => {
        await open({open: 1});
        patchWithCleanup(getService("action"), {
            doAction: (action) => expect.step(action),
        });
        await contains(".o_queue_job_mine_menu button").click();
        expect.verifySteps(["queue_job.action_queue_job_mine"]);
    });
});

describe("notices", () => {
    describe.current.tags("desktop");
    defineMailModels();

    test("that came while the user was away are told with the page", async () => {
        await open({notices: [{id: 5, uuid: "u5", awaited: false, seconds: 3}]});
        await animationFrame();
        expect(".o_notification_content").toHaveText(
            "Failed: Report 5. The shop is closed"
        );
        expect.verifySteps(["claim 5"]);
    });

    test("of a job in a dialog are left to the dialog, for a while", async () => {
        await open({notices: [{id: 5, uuid: "u5", awaited: true, seconds: 3}]});
        expect.verifySteps([]);
        news.notices = [{id: 5, uuid: "u5", awaited: true, seconds: 20}];
        await advanceTime(5100);
        await animationFrame();
        expect.verifySteps(["news", "claim 5"]);
    });

    test("of a dialog that was left are told at once", async () => {
        await open();
        news.notices = [{id: 5, uuid: "u5", awaited: true, seconds: 3}];
        getService("queue_job.mine").leave("u5");
        await advanceTime(500);
        expect.verifySteps(["news", "claim 5"]);
    });

    test("wait until the user looks at the tab", async () => {
        await open();
        await setHidden(true);
        MockServer.env["bus.bus"]._sendone(serverState.partnerId, "queue_job.state", {
            uuid: "u7",
            id: 1,
            name: "Report",
            state: "done",
            notify: true,
            notice: 7,
        });
        await advanceTime(1000);
        expect(".o_notification_content").toHaveCount(0);
        expect.verifySteps([]);
        await setHidden(false);
        await advanceTime(100);
        await animationFrame();
        expect(".o_notification_content").toHaveCount(1);
        expect.verifySteps(["claim 7"]);
    });
});

describe("the page", () => {
    describe.current.tags("desktop");
    defineMailModels();

    async function show(...values) {
        jobs = values.map(aJob);
        await open();
        await getService("action").doAction({
            type: "ir.actions.client",
            tag: "queue_job_mine",
        });
        await animationFrame();
    }

    test("says what there is to say", async () => {
        await show(
            {uuid: "u1", id: 4, state: "started", phase: "Running", percent: 40},
            {uuid: "u2", id: 3, state: "failed", error: "The shop is closed"},
            {uuid: "u3", id: 2, state: "done", link: "/web/content/1"},
            {uuid: "u4", id: 1, state: "done", result: "12 lines"}
        );
        expect("[data-uuid=u1] .badge").toHaveText("Running");
        expect("[data-uuid=u1] .o_queue_job_progress_percent").toHaveText("40%");
        expect("[data-uuid=u2] .o_queue_job_mine_error").toHaveText(
            "The shop is closed"
        );
        expect("[data-uuid=u3] a").toHaveAttribute("href", "/web/content/1");
        expect("[data-uuid=u4] .o_queue_job_mine_text_result").toHaveText("12 lines");
        expect(".o_queue_job_mine_cancel, .o_queue_job_mine_retry").toHaveCount(0);
    });

    test("nothing", async () => {
        await show();
        expect(".o_queue_job_mine_none").toHaveCount(1);
    });

    test("cancel asks first", async () => {
        onRpc("queue.job.mine", "cancel", ({args}) => {
            expect.step(`cancel ${args[0]}`);
            jobs = [aJob({state: "cancelled", phase: "Cancelled"})];
            return true;
        });
        await show({may_cancel: true});
        await contains(".o_queue_job_mine_cancel").click();
        expect.verifySteps([]);
        await contains(".modal .btn-primary").click();
        await animationFrame();
        expect("[data-uuid=u1] .badge").toHaveText("Cancelled");
        expect.verifySteps(["cancel u1", "news"]);
    });

    test("try again", async () => {
        onRpc("queue.job.mine", "retry", ({args}) => {
            expect.step(`retry ${args[0]}`);
            jobs = [aJob()];
            return true;
        });
        await show({state: "failed", phase: "Failed", may_retry: true});
        await contains(".o_queue_job_mine_retry").click();
        await animationFrame();
        expect("[data-uuid=u1] .badge").toHaveText("Waiting");
        expect.verifySteps(["retry u1", "news"]);
    });

    test("why a job waits", async () => {
        onRpc("queue.job", "waiting_reason", () => ({text: "Its channel is paused."}));
        await show({});
        await contains(".o_queue_job_mine_why").click();
        expect(".o_queue_job_mine_reason").toHaveText("Its channel is paused.");
    });

    test("pages of forty", async () => {
        const asked = [];
        onRpc("queue.job.mine", "get_jobs", ({kwargs}) => {
            asked.push(kwargs.before);
            const first = (kwargs.before || 101) - 1;
            const count = kwargs.before ? 2 : 40;
            return [...Array(count).keys()].map((i) =>
                aJob({id: first - i, uuid: `u${first - i}`})
            );
        });
        await show();
        expect(".o_queue_job_mine_newer").toHaveCount(0);
        await contains(".o_queue_job_mine_older").click();
        await animationFrame();
        expect(".o_queue_job_mine_job").toHaveCount(2);
        expect(".o_queue_job_mine_older").toHaveCount(0);
        await contains(".o_queue_job_mine_newer").click();
        await animationFrame();
        expect(".o_queue_job_mine_job").toHaveCount(40);
        expect(asked).toEqual([null, 61, null]);
    });
});
