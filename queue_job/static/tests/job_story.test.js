import {beforeEach, describe, expect, test} from "@odoo/hoot";
import {queryAllTexts, queryFirst} from "@odoo/hoot-dom";
import {mockDate} from "@odoo/hoot-mock";
import {story, tracebackLines} from "@queue_job/job_form/job_story_data";
import {formatDuration} from "@queue_job/core/durations";
import {
    allowTranslations,
    contains,
    defineModels,
    fields,
    models,
    mockService,
    mountView,
    onRpc,
    patchWithCleanup,
} from "@web/../tests/web_test_helpers";
import {browser} from "@web/core/browser/browser";
import {defineMailModels} from "@mail/../tests/mail_test_helpers";

const {DateTime} = luxon;
const now = DateTime.fromISO("2026-11-21T12:00:00Z");
const ago = (seconds) => now.minus({seconds});

const TRACEBACK = `Traceback (most recent call last):
  File "/opt/odoo/addons/queue_job/worker/lease_run.py", line 12, in perform
    job.perform()
  File "/srv/shop/models/partner.py", line 4, in check
    raise UserError("No VAT number")
odoo.exceptions.UserError: No VAT number`;

describe("story of a job", () => {
    describe.current.tags("headless");
    beforeEach(allowTranslations);

    const cases = [
        [
            "waits",
            {state: "pending", date_created: ago(90)},
            {"Waiting for": "1 min 30 s"},
        ],
        [
            "has a date",
            {state: "pending", date_created: ago(90), eta: now.plus({hours: 2})},
            {"Starts in": "2 h 00 min"},
        ],
        [
            "waits since its date",
            {state: "pending", date_created: ago(900), eta: ago(10)},
            {"Waiting for": "10 s"},
        ],
        [
            "waits since its parents ended",
            {state: "pending", date_created: ago(900), date_runnable: ago(10)},
            {"Waiting for": "10 s"},
        ],
        [
            "runs",
            {
                state: "started",
                date_created: ago(70),
                date_started: ago(60),
                worker_host: "app1",
                worker_pid: 7,
            },
            {Waited: "10 s", "Running for": "1 min 00 s", Worker: "app1:7"},
        ],
        [
            "is done",
            {
                state: "done",
                date_created: ago(70),
                date_started: ago(60),
                date_done: ago(59),
                exec_time: 0.25,
            },
            {Waited: "10 s", Ran: "250 ms"},
        ],
        [
            "has failed",
            {state: "failed", retry: 5, max_retries: 5},
            {"Failed in attempt": "5 of 5"},
        ],
        [
            "has failed after a while",
            {
                state: "failed",
                attempts: [{date_start: ago(90), date_end: ago(60)}],
            },
            {Ran: "30 s"},
        ],
        ["has no limit", {state: "pending", retry: 7, max_retries: 0}, {Attempt: "7"}],
    ];
    for (const [title, job, expected] of cases) {
        test(`a job ${title}`, () => {
            const facts = story(job, now).map(({label, value}) => [label, value]);
            expect(Object.fromEntries(facts)).toEqual(expected);
        });
    }

    test("durations", () => {
        const values = [null, 0, 0.0123, 3.14159, 42.4, 61, 3700, 90000];
        expect(values.map((seconds) => String(formatDuration(seconds)))).toEqual([
            "",
            "0 s",
            "12 ms",
            "3.1 s",
            "42 s",
            "1 min 01 s",
            "1 h 01 min",
            "1 d 1 h",
        ]);
    });

    test("the addon's own code is known wherever it is installed", () => {
        const text = '  File "/srv/queue_job/job.py", line 1, in perform\n    x()';
        expect(tracebackLines(text).every(({core}) => core)).toBe(true);
        const other = '  File "/srv/my_queue_job/models/a.py", line 1, in go';
        expect(tracebackLines(other)[0].core).toBe(false);
    });

    test("a traceback tells its own code from that of Odoo", () => {
        expect(
            tracebackLines(TRACEBACK).map(
                ({kind, core}) => `${kind}${core ? " core" : ""}`
            )
        ).toEqual(["code", "file core", "code core", "file", "code", "error"]);
    });
});

describe("form", () => {
    describe.current.tags("desktop");

    class Job extends models.Model {
        _name = "queue.job";
        state = fields.Char();
        exc_info = fields.Text();
        attempt_ids = fields.One2many({relation: "queue.job.attempt"});
        _records = [{id: 1, state: "failed", exc_info: TRACEBACK, attempt_ids: [1, 2]}];
    }
    class Attempt extends models.Model {
        _name = "queue.job.attempt";
        number = fields.Integer();
        outcome = fields.Selection({
            selection: [
                ["postponed", "Postponed"],
                ["dead", "Worker Lost"],
            ],
        });
        date_start = fields.Datetime();
        date_end = fields.Datetime();
        exc_name = fields.Char();
        message = fields.Text();
        worker_host = fields.Char();
        worker_pid = fields.Integer();
        _records = [
            {
                id: 1,
                number: 1,
                outcome: "postponed",
                date_start: "2026-11-21 10:00:00",
                date_end: "2026-11-21 10:00:04",
                message: "The shop does not answer",
                worker_host: "app1",
                worker_pid: 7,
            },
            {id: 2, number: 2, outcome: "dead"},
        ];
    }
    defineMailModels();
    defineModels([Job, Attempt]);

    const open = (arch) =>
        mountView({
            type: "form",
            resModel: "queue.job",
            resId: 1,
            arch: `<form>${arch}</form>`,
        });

    test("attempts are a timeline", async () => {
        mockDate("2026-11-21 12:00:00");
        await open(`
            <field name="attempt_ids" widget="queue_job_attempts" readonly="1">
                <list>
                    <field name="number"/><field name="outcome"/><field name="date_start"/>
                    <field name="date_end"/><field name="exc_name"/><field name="message"/>
                    <field name="worker_host"/><field name="worker_pid"/>
                </list>
            </field>`);
        expect(queryAllTexts(".o_job_attempt .o_job_state")).toEqual([
            "Postponed",
            "Worker Lost",
        ]);
        expect(".o_job_attempt:first").toHaveText(/4 s/);
        expect(".o_job_attempt:first").toHaveText(/app1:7/);
        expect(".o_job_attempt:first .o_job_message").toHaveText(
            "The shop does not answer"
        );
        expect(".o_job_attempt_failed").toHaveCount(1);
    });

    test("a traceback is copied by one click", async () => {
        patchWithCleanup(browser.navigator.clipboard, {
            async writeText(text) {
                expect.step(text);
            },
        });
        await open(`<field name="exc_info" widget="queue_job_traceback"/>`);
        expect(".o_job_traceback_error").toHaveText(
            "odoo.exceptions.UserError: No VAT number"
        );
        await contains(".o_job_traceback button").click();
        expect.verifySteps([TRACEBACK]);
    });

    test("arguments are readable", async () => {
        const value = (name, text) => ({name, kind: "text", text, cut: false});
        onRpc("queue.job.dashboard", "get_arguments", ({args}) => {
            expect(args).toEqual([1]);
            return [
                {
                    name: "self",
                    kind: "records",
                    model: "res.partner",
                    label: "Contact",
                    known: true,
                    ids: [1, 2],
                    records: [
                        {id: 1, name: "Azure", exists: true},
                        {id: 2, name: null, exists: false},
                    ],
                },
                value("1", "short"),
                value("text", "long ".repeat(100)),
            ];
        });
        mockService("action", {
            doAction({res_model, res_id}) {
                expect.step(`${res_model} ${res_id}`);
            },
        });
        await open(`<widget name="queue_job_arguments"/>`);
        expect("[data-argument='1']").toHaveText("short");
        expect(queryFirst("[data-argument=text] details").open).toBe(false);
        expect("[data-argument=self] s").toHaveText("#2");
        await contains("[data-argument=self] a:contains(Azure)").click();
        expect.verifySteps(["res.partner 1"]);
    });
});
