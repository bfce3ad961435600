/** The flows of the web client, each with the jobs that `test_tours.py` prepares. */

import {rpc} from "@web/core/network/rpc";
import {registry} from "@web/core/registry";

const tours = registry.category("web_tour.tours");

const call = (model, method, args) =>
    rpc(`/web/dataset/call_kw/${model}/${method}`, {model, method, args, kwargs: {}});

const row = (name) => `.o_data_row:has(td[name=name]:contains(/^${name}$/))`;

const channelRow = (name) =>
    `.o_data_row:has(td[name=complete_name]:contains(/^${name}$/))`;

tours.add("queue_job_open_and_requeue", {
    steps: () => [
        {
            content: "The list shows the failed job",
            trigger: `${row("Tour failed")} td[name=name]`,
            run: "click",
        },
        {
            content: "The error and what to do stand on top",
            trigger: "[name=failure]:contains(The shop is closed):contains(correct it)",
        },
        {
            content: "The form tells how often it failed",
            trigger: ".o_job_story [data-fact=attempt]:contains(2 of 5)",
        },
        {
            content: "The traceback says why",
            trigger: ".o_job_traceback_error:contains(The shop is closed)",
        },
        {trigger: "a[name=attempts]", run: "click"},
        {trigger: ".o_job_attempt:contains(The shop does not answer)"},
        {trigger: "a[name=arguments]", run: "click"},
        {trigger: "[data-argument=greeting]:contains(hello)"},
        {trigger: "button[name=requeue]", run: "click"},
        {
            content: "It is pending again",
            trigger: ".o_statusbar_status .o_arrow_button_current:contains(Pending)",
        },
    ],
});

tours.add("queue_job_cancel_started", {
    steps: () => [
        {trigger: `${row("Tour started")} td[name=name]`, run: "click"},
        {trigger: "a[name=technical]", run: "click"},
        {trigger: "[name=worker_pid]:contains(4711)"},
        {trigger: "button[name=cancel]", run: "click"},
        {content: "Confirm", trigger: ".modal-footer .btn-primary", run: "click"},
        {trigger: "body:not(:has(.modal))"},
    ],
});

tours.add("queue_job_run_now_and_again", {
    steps: () => [
        {trigger: `${row("Tour scheduled")} td[name=name]`, run: "click"},
        {trigger: ".o_job_story [data-fact=waiting]:contains(Starts in)"},
        {trigger: "button[name=action_run_now]", run: "click"},
        {trigger: ".o_job_story [data-fact=waiting]:contains(Waiting for)"},
        {trigger: "button[name=button_cancelled]", run: "click"},
        {
            trigger: ".o_statusbar_status .o_arrow_button_current:contains(Cancelled)",
        },
        {
            content: "The notification undoes it",
            trigger: ".o_notification:contains(1 job(s) changed) button:contains(Undo)",
            run: "click",
        },
        {trigger: ".o_notification:contains(1 job(s) put back)"},
        {
            trigger: ".o_statusbar_status .o_arrow_button_current:contains(Pending)",
        },
        {trigger: "button[name=button_cancelled]", run: "click"},
        {trigger: "button[name=action_duplicate]", run: "click"},
        {content: "Confirm", trigger: ".modal-footer .btn-primary", run: "click"},
        {
            content: "The new job opens",
            trigger:
                ".o_form_view:not(:has(button[name=action_duplicate])) .o_job_story",
        },
    ],
});

tours.add("queue_job_mass_requeue", {
    steps: () => [
        {trigger: row("Tour mass 1")},
        {trigger: "thead .o_list_record_selector input", run: "click"},
        {trigger: ".o_control_panel button[name=action_requeue_all]", run: "click"},
        {
            content: "The dialog tells what changes, and what does not",
            trigger:
                ".modal [name=plan]:contains(Will change: 2):contains(Left out: 1)",
        },
        {trigger: ".modal [name=reason] input", run: "edit The shop is open"},
        {trigger: ".modal footer button[name=action_change]", run: "click"},
        {
            content: "The figures are true",
            trigger: ".o_notification:contains(2 job(s) changed):contains(1 left out)",
        },
        {
            content: "The list shows it",
            trigger: `${row("Tour mass 1")} [name=state]:contains(Pending)`,
        },
    ],
});

tours.add("queue_job_graph", {
    steps: () => [
        {trigger: `${row("Tour child")} td[name=name]`, run: "click"},
        {trigger: "a[name=dependencies]", run: "click"},
        {trigger: ".o_job_graph_legend .o_job_state_failed:contains(Failed 1)"},
        {
            content: "The graph opens the parent",
            trigger: ".o_job_graph_node.o_job_state_failed:contains(Tour parent)",
            run: "click",
        },
        {trigger: ".o_form_view .oe_title:contains(Tour parent)"},
    ],
});

tours.add("queue_job_channels", {
    steps: () => [
        {
            content: "What waits is shown beside the channel",
            trigger: `${channelRow("tour")} td[name=waiting_count]:contains(1)`,
        },
        {
            content: "Without a limit of its own no number stands there, but a word",
            trigger: `${channelRow("default")}:not(:has(td[name=capacity]:contains(0))) td[name=capacity_in_force]:contains(no limit)`,
        },
        {
            trigger: `${channelRow("tour")} button[name=action_ask_pause]`,
            run: "click",
        },
        {
            content: "The dialog asks why",
            trigger: ".modal [name=reason] input",
            run: "edit month end",
        },
        {trigger: ".modal footer button[name=action_pause]", run: "click"},
        {
            content: "Everybody sees who paused it, and why",
            trigger: `${channelRow("tour")} td[name=pause_text]:contains(month end)`,
        },
        {
            trigger: `${channelRow("tour")} button[name=action_resume]`,
            run: "click",
        },
        {trigger: `${channelRow("tour")} button[name=action_ask_pause]`},
        {
            content: "The capacity is edited in place",
            trigger: `${channelRow("tour")} td[name=capacity]`,
            run: "click",
        },
        {trigger: ".o_selected_row td[name=capacity] input", run: "edit 4"},
        {trigger: ".o_list_button_save", run: "click"},
        {
            trigger: `${channelRow("tour")} td[name=capacity_in_force]:contains(4)`,
        },
    ],
});

tours.add("queue_job_fixed_channel", {
    steps: () => [
        {
            content: "What the server's configuration says cannot be edited",
            trigger: `${channelRow("tour")} td[name=capacity]`,
            run: "click",
        },
        {
            trigger:
                ".o_selected_row td[name=capacity_reason]:contains(ODOO_QUEUE_JOB_CHANNELS)",
        },
        {trigger: ".o_selected_row:not(:has(td[name=capacity] input))"},
        {trigger: ".o_data_row td[name=capacity_in_force]:contains(/^2$/)"},
    ],
});

tours.add("queue_job_dashboard", {
    steps: () => [
        {trigger: ".o_job_dashboard .o_job_chart canvas"},
        {
            content: "The banner says that nothing runs",
            trigger: ".o_job_health [role=alert]:contains(No job runs)",
        },
        {trigger: "[data-channel='root.tour'] .o_job_waiting:contains(1)"},
        {
            content: "Another job comes, from elsewhere",
            trigger: ".o_job_card[data-state=failed]",
            async run() {
                const domain = [["name", "=", "Tour failed"]];
                const ids = await call("queue.job", "search", [domain]);
                await call("queue.job", "requeue", [ids]);
            },
        },
        {
            content: "The dashboard has moved by itself",
            trigger: "[data-channel='root.tour'] .o_job_waiting:contains(2)",
            timeout: 15000,
        },
        {
            trigger: "[data-channel='root.tour'] .o_job_pause",
            run: "click",
        },
        {trigger: ".modal footer button[name=action_pause]", run: "click"},
        {trigger: ".o_job_health [data-code=channels_paused]:contains(root.tour)"},
        {trigger: "[data-channel='root.tour'] .o_job_resume", run: "click"},
        {trigger: "body:not(:has([data-code=channels_paused]))"},
        {trigger: "[data-period=day]", run: "click"},
        {trigger: "[data-period=day].active"},
        {
            content: "A figure opens its jobs",
            trigger: "[data-channel='root.tour'] .o_job_waiting",
            run: "click",
        },
        {trigger: `.o_list_view ${row("Tour failed")}`},
    ],
});

tours.add("queue_job_failed_jobs", {
    steps: () => [
        {
            content: "The link of a digest lists the failed jobs of one function",
            trigger: row("Tour of the link"),
        },
        {
            content: "and no others",
            trigger: `.o_list_view:not(:has(${row("Tour of another")}))`,
        },
    ],
});

tours.add("queue_job_work_through_failures", {
    steps: () => [
        {
            content: "Two failures of one wording are one line",
            trigger:
                ".o_data_row:contains(Order … is locked) td[name=job_count]:contains(4)",
            run: "click",
        },
        {trigger: ".o_field_widget[name=job_ids] .o_data_row:contains(Order 4)"},
        {trigger: "button[name=action_try]:contains(on Trial)", run: "click"},
        {content: "Confirm", trigger: ".modal-footer .btn-primary", run: "click"},
        {trigger: ".o_field_widget[name=trial_text]:contains(3 not ended yet)"},
        {
            content: "One is left",
            trigger: ".o_stat_text:contains(Failed Jobs), .o_stat_value:contains(1)",
        },
        {trigger: "button[name=action_requeue_all]:contains(the Rest)", run: "click"},
        {trigger: ".modal [name=reason] input", run: "edit The shop is back"},
        {trigger: ".modal footer button[name=action_change]", run: "click"},
        {trigger: "body:not(:has(.modal)) button[name=action_solve]", run: "click"},
        {trigger: ".o_arrow_button_current:contains(Solved)"},
        {trigger: ".o_breadcrumb .breadcrumb-item a:contains(Failures)", run: "click"},
        {
            content: "The list is empty",
            trigger: ".o_view_nocontent:contains(No failure waits for you)",
        },
    ],
});
