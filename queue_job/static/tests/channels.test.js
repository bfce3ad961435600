import {expect, test} from "@odoo/hoot";
import {queryAllTexts, queryOne} from "@odoo/hoot-dom";
import {animationFrame} from "@odoo/hoot-mock";
import {
    contains,
    defineModels,
    fields,
    models,
    mountView,
    onRpc,
    patchWithCleanup,
} from "@web/../tests/web_test_helpers";
import {ChannelHistory} from "@queue_job/channels/channel_history";
import {defineMailModels} from "@mail/../tests/mail_test_helpers";

class Channel extends models.Model {
    _name = "queue.job.channel";
    _order = "complete_name, id";
    complete_name = fields.Char();
    capacity = fields.Integer();
    _records = [
        {id: 1, complete_name: "root", capacity: 4},
        {id: 2, complete_name: "root.shop", capacity: 1},
        {id: 3, complete_name: "root.shop.import", capacity: 2},
    ];
}

defineMailModels();
defineModels([Channel]);

const ARCH = `
    <list editable="bottom" js_class="queue_job_channel_list">
        <field name="complete_name" widget="queue_job_channel_name"/>
        <field name="capacity"/>
    </list>`;
const NAMES = ".o_job_channel_name";

test("channels stand below their parents", async () => {
    await mountView({type: "list", resModel: "queue.job.channel", arch: ARCH});
    expect(queryAllTexts(NAMES)).toEqual(["root", "shop", "import"]);
    const indents = [...document.querySelectorAll(`${NAMES} span`)].map(
        (element) => element.style.paddingInlineStart
    );
    expect(indents).toEqual(["0rem", "1rem", "2rem"]);
    expect(queryOne(`${NAMES}:contains(import)`).title).toBe("root.shop.import");
});

test("in another order the whole path stands there", async () => {
    await mountView({type: "list", resModel: "queue.job.channel", arch: ARCH});
    await contains("th[data-name=capacity]").click();
    expect(queryAllTexts(NAMES)).toEqual(["root.shop", "root.shop.import", "root"]);
});

test("a new channel is made in the form, which asks for its place", async () => {
    await mountView({
        type: "list",
        resModel: "queue.job.channel",
        arch: ARCH,
        createRecord: () => expect.step("form"),
    });
    await contains(".o_list_button_add").click();
    expect.verifySteps(["form"]);
    expect(".o_selected_row").toHaveCount(0);
});

test("the history is that of the channel and of the period", async () => {
    onRpc("queue.job.channel", "get_history", ({args}) => {
        expect.step(`${args[0]} ${args[1]}`);
        return {series: [{time: 60, done: 5, failed: 0, retried: 0, wait: 1}]};
    });
    onRpc("queue.job.dashboard", "watch", () => true);
    patchWithCleanup(ChannelHistory.components.JobChart.prototype, {
        show() {
            expect.step(`${this.props.type} ${this.props.datasets[0].data}`);
        },
    });
    await mountView({
        type: "form",
        resModel: "queue.job.channel",
        resId: 3,
        arch: `<form><widget name="queue_job_channel_history"/></form>`,
    });
    expect.verifySteps(["3 day", "bar 5", "line 1"], {ignoreOrder: true});
    await contains("[data-period=week]").click();
    await animationFrame();
    expect.verifySteps(["3 week", "bar 5", "line 1"], {ignoreOrder: true});
    expect("[data-period=week]").toHaveClass("active");
});
