import {beforeEach, describe, expect, test} from "@odoo/hoot";
import {press, queryFirst, queryOne, waitUntil} from "@odoo/hoot-dom";
import {advanceTime, animationFrame} from "@odoo/hoot-mock";
import {defineMailModels} from "@mail/../tests/mail_test_helpers";
import {JobWatcher, percentOfStages} from "@queue_job/progress/job_watcher";
import {JobProgressBar} from "@queue_job/progress/progress_bar";
import {waitingParams} from "@queue_job/wait/wait_action";
import {
    contains,
    defineModels,
    fields,
    getService,
    makeMockEnv,
    MockServer,
    models,
    mountView,
    mountWithCleanup,
    onRpc,
    serverState,
} from "@web/../tests/web_test_helpers";
import {browser} from "@web/core/browser/browser";
import {WebClient} from "@web/webclient/webclient";

const UUID = "5b1a0c0e-wait";

/** What the server knows of the job; tests change it. */
let job;

beforeEach(() => {
    job = {uuid: UUID, id: 7, name: "Report", state: "pending", may_open: true};
    onRpc("queue.job", "wait_state", () => ({...job}));
    onRpc("queue.job.mine", "get_news", () => ({open: 0, notices: []}));
    onRpc("queue.job.mine", "claim_notices", () => []);
});

const send = (type, payload) =>
    MockServer.env["bus.bus"]._sendone(serverState.partnerId, type, {
        uuid: UUID,
        ...payload,
    });

/** The action comes from a button, which loads its view again by `onClose`. */
async function wait(params = {}) {
    await mountWithCleanup(WebClient);
    getService("action").doAction(
        {
            type: "ir.actions.client",
            tag: "queue_job_wait",
            params: {uuid: UUID, ...params},
        },
        {onClose: () => expect.step("reloaded")}
    );
    await animationFrame();
    await animationFrame();
}

describe("watcher", () => {
    describe.current.tags("headless");
    defineMailModels();

    test("stages count by their weight", () => {
        const stages = [
            ["read", 1],
            ["write", 3],
        ];
        expect(percentOfStages(stages, "read", 50)).toBe(12.5);
        expect(percentOfStages(stages, "write", null)).toBe(25);
        expect(percentOfStages(stages, "other", 40)).toBe(40);
        expect(percentOfStages([], null, 40)).toBe(40);
    });

    test("asks at once, then more and more rarely, until the job is over", async () => {
        await makeMockEnv();
        const states = [];
        const services = {
            orm: getService("orm"),
            bus_service: getService("bus_service"),
        };
        const watcher = new JobWatcher(services, UUID, {
            onUpdate: ({state}) => states.push(state),
        });
        await watcher.start();
        expect(states).toEqual(["pending"]);
        await advanceTime(2000);
        expect(states.length).toBe(2);
        await advanceTime(2000);
        expect(states.length).toBe(2);
        await advanceTime(1100);
        expect(states.length).toBe(3);
        job.state = "done";
        await advanceTime(10000);
        expect(states.at(-1)).toBe("done");
        const count = states.length;
        await advanceTime(60000);
        expect(states.length).toBe(count);
    });

    test("an error of the server is no end", async () => {
        let broken = true;
        onRpc("queue.job", "wait_state", () => {
            if (broken) {
                throw new Error("The server restarts");
            }
        });
        await makeMockEnv();
        const states = [];
        const services = {
            orm: getService("orm"),
            bus_service: getService("bus_service"),
        };
        const watcher = new JobWatcher(services, UUID, {
            onUpdate: ({state}) => states.push(state),
        });
        await watcher.start();
        expect(states).toEqual([]);
        broken = false;
        job.state = "done";
        await advanceTime(3000);
        expect(states).toEqual(["done"]);
    });

    test("the bar does not go back", async () => {
        await makeMockEnv();
        const percents = [];
        const services = {
            orm: getService("orm"),
            bus_service: getService("bus_service"),
        };
        const watcher = new JobWatcher(services, UUID, {
            onUpdate: ({percent}) => percents.push(percent),
        });
        Object.assign(job, {state: "started", percent: 10});
        await watcher.start();
        watcher.onProgress({uuid: UUID, percent: 50});
        watcher.onProgress({uuid: "another", percent: 90});
        await watcher.ask();
        expect(percents).toEqual([10, 50, 50]);
        watcher.stop();
    });
});

describe("waiting", () => {
    describe.current.tags("desktop");
    defineMailModels();

    test("shows the message and the bar, which moves by the bus", async () => {
        await wait({message: "Making the report"});
        expect(".o_queue_job_progress_message").toHaveText("Making the report");
        expect(".o_queue_job_progress_percent").toHaveCount(0);
        await waitUntil(() => {
            // what is sent before the bus is connected is lost
            send("queue_job.progress.progress", {percent: 40, message: "Page 4 of 10"});
            return queryFirst(".o_queue_job_progress_percent");
        });
        expect(".o_queue_job_progress_percent").toHaveText("40%");
        expect(queryOne("[role=progressbar]").getAttribute("aria-valuenow")).toBe("40");
    });

    test("says why the job waits, until it starts", async () => {
        job.waiting = "Channel root is paused.";
        await wait({message: "Making the report"});
        expect(".o_queue_job_wait h4").toHaveText("Waiting");
        expect(".o_queue_job_progress_message").toHaveText("Channel root is paused.");
        Object.assign(job, {state: "started", waiting: false});
        await advanceTime(3000);
        expect(".o_queue_job_wait h4").toHaveText("Working");
        expect(".o_queue_job_progress_message").toHaveText("Making the report");
    });

    test("reloads the view when the job is done", async () => {
        await wait();
        expect(waitingParams().length).toBe(1);
        onRpc("queue.job.mine", "claim_notices", ({kwargs}) => {
            expect(kwargs.uuid).toBe(UUID);
            expect.step("told once");
            return [];
        });
        job.state = "done";
        await advanceTime(2100);
        await animationFrame();
        expect(".o_queue_job_wait").toHaveCount(0);
        expect.verifySteps(["told once", "reloaded"]);
        expect(waitingParams()).toEqual([]);
    });

    test("goes on with the action of the result, before the next action", async () => {
        const notify = (message) => ({
            type: "ir.actions.client",
            tag: "display_notification",
            params: {message},
        });
        job.state = "done";
        job.action = notify("result");
        await wait({next_action: notify("next")});
        expect(".o_notification_content").toHaveText("result");
    });

    test("a job that was stopped says what its caller says of that", async () => {
        job.state = "cancelled";
        const stopped_action = {
            type: "ir.actions.client",
            tag: "display_notification",
            params: {message: "Half of it is done"},
        };
        await wait({stopped_action});
        expect(".o_notification_content").toHaveText("Half of it is done");
    });

    test("a failure is told in a dialog", async () => {
        Object.assign(job, {
            state: "failed",
            exc_name: "ValueError",
            exc_message: "It was wrong",
            exc_info: "Traceback: line 1",
        });
        await wait();
        await animationFrame();
        expect(".o_queue_job_failure p:first").toHaveText("It was wrong");
        expect(".o_queue_job_failure details").toHaveCount(1);
        expect(".o_queue_job_open").toHaveCount(1);
        expect.verifySteps([]);
    });

    test("no traceback and no link for others", async () => {
        Object.assign(job, {
            state: "failed",
            exc_message: "It was wrong",
            may_open: false,
        });
        await wait();
        await animationFrame();
        expect(".o_queue_job_failure details").toHaveCount(0);
        expect(".o_queue_job_open").toHaveCount(0);
    });

    test("cancel", async () => {
        onRpc("queue.job", "wait_cancel", ({args}) => {
            expect(args).toEqual([UUID]);
            job.state = "cancelled";
            return true;
        });
        await wait({cancellable: true});
        await contains(".o_queue_job_cancel").click();
        await animationFrame();
        expect(".o_queue_job_wait").toHaveCount(0);
        expect(".o_notification_content").toHaveText("The job was cancelled.");
    });

    test("no cancel where it is not allowed, and no escape", async () => {
        await wait();
        expect(".o_queue_job_cancel").toHaveCount(0);
        await press("escape");
        await animationFrame();
        expect(".o_queue_job_wait").toHaveCount(1);
    });

    test("after a while it asks whether to go on", async () => {
        await wait({timeout: 60});
        await advanceTime(61000);
        await animationFrame();
        expect(".o_queue_job_still_running").toHaveCount(1);
        await contains(".o_queue_job_keep_waiting").click();
        expect(".o_queue_job_still_running").toHaveCount(0);
        await advanceTime(61000);
        await animationFrame();
        await contains(".o_queue_job_leave").click();
        await animationFrame();
        expect(".o_queue_job_wait").toHaveCount(0);
        expect(waitingParams()).toEqual([]);
        // a wizard that has handed its work over is closed
        expect.verifySteps(["reloaded"]);
    });

    test("quietly: no dialog", async () => {
        await wait({quiet: true});
        await advanceTime(300);
        await animationFrame();
        expect(".o_queue_job_wait").toHaveCount(0);
        expect(".o_blockUI").toHaveCount(1);
        job.state = "done";
        await advanceTime(2100);
        await animationFrame();
        expect(".o_blockUI").toHaveCount(0);
        expect.verifySteps(["reloaded"]);
    });

    test("a page that is loaded again goes on waiting", async () => {
        browser.sessionStorage.setItem(
            "queue_job.waiting",
            JSON.stringify([{uuid: UUID, timeout: 60, message: "Still on it"}])
        );
        await mountWithCleanup(WebClient);
        await animationFrame();
        await animationFrame();
        expect(".o_queue_job_progress_message").toHaveText("Still on it");
        job.state = "done";
        await advanceTime(2100);
        await animationFrame();
        expect(".o_queue_job_wait").toHaveCount(0);
        expect(waitingParams()).toEqual([]);
    });
});

describe("toasts", () => {
    describe.current.tags("desktop");
    defineMailModels();

    test("for jobs which were to notify, with a link for managers", async () => {
        onRpc("has_group", () => true);
        await mountWithCleanup(WebClient);
        send("queue_job.state", {id: 7, name: "Report", state: "done", notify: true});
        send("queue_job.state", {id: 8, name: "Quiet", state: "done", notify: false});
        await advanceTime(500);
        await animationFrame();
        expect(".o_notification_content").toHaveText("Done: Report");
        expect(".o_notification_buttons button").toHaveText("Open");
    });
});

class Import extends models.Model {
    _name = "import";
    job_uuid = fields.Char();
    uuid = fields.Char();
    percent = fields.Float();
    _records = [{id: 1, job_uuid: UUID, uuid: UUID, percent: 20}];
    _views = {
        form: /* xml */ `<form><field name="job_uuid" widget="job_progress" readonly="1"/></form>`,
        list: /* xml */ `<list><field name="percent" widget="job_progress"/></list>`,
    };
}

describe("field", () => {
    describe.current.tags("desktop");
    defineMailModels();
    defineModels([Import]);

    test("of a uuid follows the job", async () => {
        await mountView({type: "form", resModel: "import", resId: 1});
        await animationFrame();
        expect(".o_field_widget[name=job_uuid]").toHaveText("Pending");
        Object.assign(job, {state: "started", percent: 30});
        await advanceTime(2100);
        await animationFrame();
        expect(".o_queue_job_progress_percent").toHaveText("30%");
    });

    test("of a number moves by the bus", async () => {
        await mountView({type: "list", resModel: "import"});
        expect(".o_queue_job_progress_percent").toHaveText("20%");
        send("queue_job.progress.progress", {percent: 60});
        await advanceTime(500);
        await animationFrame();
        expect(".o_queue_job_progress_percent").toHaveText("60%");
    });

    test("a bar without a value says so", async () => {
        await mountWithCleanup(JobProgressBar, {props: {message: "Working"}});
        expect("[role=progressbar]").not.toHaveAttribute("aria-valuenow");
    });
});
