import {beforeEach, describe, expect, test} from "@odoo/hoot";
import {queryAllTexts, queryFirst} from "@odoo/hoot-dom";
import {mockDate} from "@odoo/hoot-mock";
import {story} from "@queue_job/job_form/job_story_data";
import {timeline} from "@queue_job/job_form/job_timeline_data";
import {tracebackLines, tracebackParts} from "@queue_job/job_form/traceback_data";
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
import {toLocaleDateTimeString} from "@web/core/l10n/dates";
import {defineMailModels} from "@mail/../tests/mail_test_helpers";

const {DateTime} = luxon;
const now = DateTime.fromISO("2026-11-21T12:00:00Z");
const ago = (seconds) => now.minus({seconds});
// in a test only: the year is left out in the present one
const at = (seconds) => () => toLocaleDateTimeString(ago(seconds), {showSeconds: true});

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
            },
            {Waited: "10 s", "Running for": "1 min 00 s"},
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
            {Done: at(59), Waited: "10 s", Ran: "250 ms"},
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
                failed_at: ago(60),
                run_time: 30,
            },
            {Failed: at(60), Ran: "30 s"},
        ],
        ["has no limit", {state: "pending", retry: 7, max_retries: 0}, {Attempt: "7"}],
    ];
    for (const [title, job, expected] of cases) {
        test(`a job ${title}`, () => {
            const facts = story(job, now).map(({label, value}) => [label, value]);
            const texts = Object.entries(expected).map(([label, value]) => [
                label,
                typeof value === "function" ? value() : value,
            ]);
            expect(facts.sort()).toEqual(texts.sort());
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

    const files = [
        ["/srv/queue_job/job.py", true],
        ["/opt/odoo/addons/queue_job/worker/lease_run.py", true],
        ["/srv/queue_job/queue_job/settle/settlement.py", true],
        ["/usr/lib/python3/dist-packages/odoo/orm/models.py", true],
        ["/usr/lib/python3/dist-packages/odoo/addons/base/models/ir_cron.py", true],
        ["/usr/lib/python3/dist-packages/odoo/addons/sale/models/sale_order.py", false],
        ["/srv/my_queue_job/models/a.py", false],
        ["/srv/queue_job/shop/models/partner.py", false], // a checkout of this name
        ["/srv/test_queue_job/models/test_models.py", false],
    ];
    for (const [path, core] of files) {
        test(`${path} is ${core ? "" : "no "}code of the framework`, () => {
            const [line] = tracebackLines(`  File "${path}", line 1, in perform`);
            expect(line.core).toBe(core);
        });
    }

    const frame = (path) => `  File "${path}", line 1, in go\n    go()`;
    const OWN = "/srv/addons/queue_job/worker/attempt.py";
    const ODOO = "/opt/odoo/orm/models.py";
    const SHOP = "/srv/shop/models/partner.py";
    const BEGIN = "Traceback (most recent call last):";
    const heads = [
        ["frames of the queue come first", [OWN, OWN, SHOP], "ValueError: x", [2]],
        ["so do those of Odoo", [OWN, ODOO, SHOP, ODOO], "ValueError: x", [2]],
        ["the job's own come first", [SHOP, OWN], "ValueError: x", []],
        ["it never leaves the framework", [OWN, ODOO], "ValueError: x", []],
    ];
    for (const [title, paths, error, expected] of heads) {
        test(`head of a traceback: ${title}`, () => {
            const text = [BEGIN, ...paths.map(frame), error].join("\n");
            const parts = tracebackParts(text);
            expect(parts.filter(({head}) => head).map(({frames}) => frames)).toEqual(
                expected
            );
            const lines = parts.flatMap((part) => part.lines.map(({line}) => line));
            expect(lines.join("\n")).toBe(text);
        });
    }

    test("each traceback of a chain has its head", () => {
        const one = [BEGIN, frame(OWN), frame(SHOP), "KeyError: 1"].join("\n");
        const chain = `${one}\n\nDuring handling of it, another:\n\n${one}`;
        expect(tracebackParts(chain).filter(({head}) => head)).toHaveLength(2);
    });

    test("what is no traceback has no head", () => {
        expect(tracebackParts("Job found dead").map(({head}) => head)).toEqual([false]);
        expect(tracebackParts("")[0].lines[0].line).toBe("");
    });

    const job = {date_created: ago(100), retry: 2, max_retries: 5};
    const attempts = [
        {
            id: 1,
            label: "Postponed",
            data: {
                number: 1,
                outcome: "postponed",
                date_start: ago(90),
                date_end: ago(80),
                message: "No answer",
            },
        },
    ];
    const lives = [
        ["waits", {state: "pending"}, [], ["Enqueued"]],
        [
            "is tried again",
            {state: "started", date_started: ago(10), date_runnable: ago(20)},
            attempts,
            [
                "Enqueued",
                "Attempt 1: Postponed ran 10 s",
                "Back in the queue, or its last parent ended",
                "Attempt 2: running waited 10 s, for 10 s",
            ],
        ],
        [
            "is done at once",
            {
                state: "done",
                retry: 1,
                date_started: ago(98),
                date_done: ago(97),
                exec_time: 1,
            },
            [],
            ["Enqueued", "Attempt 1: started waited 2 s", "Done ran 1 s"],
        ],
        [
            "fails",
            {state: "failed", failed_at: ago(80)},
            attempts,
            ["Enqueued", "Attempt 1: Postponed ran 10 s", "Failed"],
        ],
        [
            "is cancelled",
            {state: "cancelled", date_cancelled: ago(5)},
            [],
            ["Enqueued", "Cancelled"],
        ],
    ];
    for (const [title, values, done, expected] of lives) {
        test(`timeline of a job that ${title}`, () => {
            const moments = timeline({...job, ...values}, done, now);
            expect(
                moments.map(({label, note}) => [label, note].filter(Boolean).join(" "))
            ).toEqual(expected);
        });
    }

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
        retry = fields.Integer();
        max_retries = fields.Integer();
        exec_time = fields.Float();
        run_time = fields.Float();
        date_created = fields.Datetime();
        eta = fields.Datetime();
        date_runnable = fields.Datetime();
        date_started = fields.Datetime();
        date_done = fields.Datetime();
        date_cancelled = fields.Datetime();
        failed_at = fields.Datetime();
        long_texts = fields.Json();
        subject = fields.Json();
        exc_message = fields.Char();
        exc_info = fields.Text();
        attempt_ids = fields.One2many({relation: "queue.job.attempt"});
        _records = [
            {
                id: 1,
                state: "failed",
                date_created: "2026-11-21 09:00:05",
                exc_message: "Too long …",
                exc_info: TRACEBACK,
                long_texts: {exc_message: 100000},
                subject: {
                    model: "res.partner",
                    label: "Contact",
                    known: true,
                    count: 7,
                    records: [
                        {id: 3, name: "Azure", exists: true},
                        {id: 4, name: null, exists: false},
                    ],
                },
                attempt_ids: [1, 2],
            },
        ];
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
        expect(queryAllTexts(".o_job_attempt b")).toEqual([
            "Enqueued",
            "Attempt 1: Postponed",
            "Attempt 2: Worker Lost",
        ]);
        expect(".o_job_attempt:first").toHaveText(/:05/); // the seconds
        expect(".o_job_attempt:eq(1)").toHaveText(/ran 4 s/);
        expect(".o_job_attempt:eq(1)").toHaveText(/app1:7/);
        expect(".o_job_attempt:eq(1) .o_job_message").toHaveText(
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
        expect(queryFirst(".o_job_traceback_head").open).toBe(false);
        expect(".o_job_traceback_head summary").toHaveText(/1 frames/);
        await contains(".o_job_traceback button").click();
        expect.verifySteps([TRACEBACK]);
    });

    test("a long text is fetched by a click", async () => {
        onRpc("queue.job", "read_text", ({args}) => {
            expect.step(args[1]);
            return "All of it";
        });
        await open(`<field name="exc_message" widget="queue_job_text"/>`);
        expect(".o_job_text").toHaveText(/^Too long/);
        await contains(".o_job_show_all:contains(100,000)").click();
        expect.verifySteps(["exc_message"]);
        expect(".o_job_text").toHaveText("All of it");
        expect(".o_job_show_all").toHaveCount(0);
    });

    test("the record of a job is a link", async () => {
        mockService("action", {
            doAction({res_model, res_id}) {
                expect.step(`${res_model} ${res_id}`);
            },
        });
        await open(`<field name="subject" widget="queue_job_subject"/>`);
        expect(".o_job_subject").toHaveText(/and 5 more/);
        expect(".o_job_subject s").toHaveText("#4");
        await contains(".o_job_subject a:contains(Azure)").click();
        expect.verifySteps(["res.partner 3"]);
    });

    test("arguments are readable", async () => {
        const value = (name, text, cut = false) => ({
            name,
            kind: "text",
            text,
            cut,
            length: cut ? 30000 : text.length,
        });
        onRpc("queue.job", "read_argument", ({args}) => {
            expect.step(args[1]);
            return "the whole text";
        });
        onRpc("queue.job.dashboard", "get_arguments", ({args}) => {
            expect(args).toEqual([1]);
            return [
                {
                    name: "self",
                    kind: "records",
                    model: "res.partner",
                    label: "Contact",
                    known: true,
                    count: 2,
                    ids: [1, 2],
                    records: [
                        {id: 1, name: "Azure", exists: true},
                        {id: 2, name: null, exists: false},
                    ],
                },
                value("1", "short"),
                value("text", "long ".repeat(100), true),
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
        expect("[data-argument=text] summary").toHaveText(/30,000 characters/);
        await contains("[data-argument=text] summary").click();
        expect("[data-argument=text] pre").toHaveText("the whole text");
        expect.verifySteps(["text"]);
        expect("[data-argument=self] s").toHaveText("#2");
        await contains("[data-argument=self] a:contains(Azure)").click();
        expect.verifySteps(["res.partner 1"]);
    });
});
