import {describe, expect, test} from "@odoo/hoot";
import {animationFrame} from "@odoo/hoot-mock";
import {defineMailModels} from "@mail/../tests/mail_test_helpers";
import {
    contains,
    getService,
    mountWithCleanup,
    onRpc,
} from "@web/../tests/web_test_helpers";
import {WebClient} from "@web/webclient/webclient";

describe("the notification of a change", () => {
    defineMailModels();

    test("undoes it, and says what went back", async () => {
        onRpc("queue.job.journal", "undo_change", ({args}) => {
            expect.step(args[0]);
            return {
                type: "ir.actions.client",
                tag: "display_notification",
                params: {message: "3 job(s) put back."},
            };
        });
        await mountWithCleanup(WebClient);
        await getService("action").doAction({
            type: "ir.actions.client",
            tag: "queue_job_changed",
            params: {message: "3 job(s) changed.", type: "success", undo: "key"},
        });
        await animationFrame();
        expect(".o_notification_content").toHaveText("3 job(s) changed.");
        await contains(".o_notification_buttons button").click();
        await animationFrame();
        expect.verifySteps(["key"]);
        expect(".o_notification_content").toHaveText("3 job(s) put back.");
    });
});
