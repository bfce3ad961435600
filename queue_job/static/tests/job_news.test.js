import {expect, test, describe, beforeEach} from "@odoo/hoot";
import {advanceTime, animationFrame, runAllTimers} from "@odoo/hoot-mock";
import {NEWS_CHANNEL, useJobNews} from "@queue_job/core/job_news";
import {setHidden} from "@queue_job/../tests/hidden_tab";
import {
    contains,
    defineModels,
    fields,
    MockServer,
    models,
    mountView,
    mountWithCleanup,
    onRpc,
} from "@web/../tests/web_test_helpers";
import {defineMailModels} from "@mail/../tests/mail_test_helpers";

import {Component, xml} from "@odoo/owl";

class Looker extends Component {
    static template = xml`<div/>`;
    static props = {};
    setup() {
        useJobNews(async () => expect.step("look"));
    }
}

class Job extends models.Model {
    _name = "queue.job";
    name = fields.Char();
    state = fields.Char();
    _records = [1, 2, 3].map((id) => ({id, name: `Job ${id}`, state: "failed"}));
}

const tell = () => MockServer.env["bus.bus"]._sendone(NEWS_CHANNEL, NEWS_CHANNEL, {});

describe("news", () => {
    describe.current.tags("headless");
    defineMailModels();

    beforeEach(() => {
        onRpc("queue.job.dashboard", "watch", () => {
            expect.step("watch");
            return true;
        });
    });

    async function look() {
        const looker = await mountWithCleanup(Looker);
        await animationFrame();
        await advanceTime(100); // the subscription is sent a moment later
        expect.verifySteps(["watch"]);
        return looker;
    }

    test("a hidden tab hears nothing and asks for nothing", async () => {
        await look();
        await setHidden(true);
        tell();
        await advanceTime(60000);
        expect.verifySteps([]);
        await setHidden(false);
        await advanceTime(100);
        expect.verifySteps(["look", "watch"]);
    });

    test("it ends with the view", async () => {
        const looker = await look();
        looker.__owl__.app.destroy();
        await runAllTimers();
        expect.verifySteps([]);
    });
});

describe("buttons of the list", () => {
    describe.current.tags("desktop");
    defineMailModels();
    defineModels([Job]);

    const arch = `
        <list js_class="queue_job_list" limit="2">
            <header><button name="action_requeue_all" type="object" string="Requeue"/></header>
            <field name="name"/>
            <field name="state"/>
        </list>`;

    beforeEach(() => {
        onRpc("queue.job.dashboard", "*", () => []);
        onRpc("queue.job", ["change_matching", "action_requeue_all"], (call) => {
            expect.step([call.method, ...call.args]);
            return {type: "ir.actions.act_window_close"};
        });
    });

    async function selectPage() {
        const domain = [["state", "=", "failed"]];
        await mountView({type: "list", resModel: "queue.job", arch, domain});
        await contains("thead .o_list_record_selector input").click();
    }

    test("change what is selected", async () => {
        await selectPage();
        await contains("button[name=action_requeue_all]").click();
        expect.verifySteps([["action_requeue_all", [1, 2]]]);
    });

    test("change all jobs of the filter, on whatever page", async () => {
        await selectPage();
        await contains(".o_select_domain").click();
        await contains("button[name=action_requeue_all]").click();
        expect.verifySteps([
            ["change_matching", [["state", "=", "failed"]], "requeue"],
        ]);
    });
});
