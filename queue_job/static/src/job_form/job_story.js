import {CopyButton} from "@web/core/copy_button/copy_button";
import {formatDateTime} from "@web/core/l10n/dates";
import {_t} from "@web/core/l10n/translation";
import {registry} from "@web/core/registry";
import {standardFieldProps} from "@web/views/fields/standard_field_props";
import {standardWidgetProps} from "@web/views/widgets/standard_widget_props";
import {formatDuration} from "../core/durations";
import {story, tracebackLines} from "./job_story_data";

import {Component} from "@odoo/owl";

const {DateTime} = luxon;

/** The life of a job in one line, on top of its form. */
export class JobStory extends Component {
    static template = "queue_job.JobStory";
    static props = {...standardWidgetProps};

    get facts() {
        const {data} = this.props.record;
        const attempts = data.attempt_ids?.records.map((attempt) => attempt.data);
        return story({...data, attempts}, DateTime.now());
    }
}

registry.category("view_widgets").add("queue_job_story", {
    component: JobStory,
    fieldDependencies: [
        ["state", "selection"],
        ["date_created", "datetime"],
        ["eta", "datetime"],
        ["date_runnable", "datetime"],
        ["date_started", "datetime"],
        ["date_done", "datetime"],
        ["exec_time", "float"],
        ["retry", "integer"],
        ["max_retries", "integer"],
        ["worker_host", "char"],
        ["worker_pid", "integer"],
    ].map(([name, type]) => ({name, type})),
});

/** The outcomes of attempts in the colours of the states. */
const OUTCOME_STATES = {
    done: "done",
    postponed: "pending",
    returned: "pending",
    conflict: "started",
    cancelled: "cancelled",
};

/** The attempts that did not end well, as a timeline. */
export class JobAttempts extends Component {
    static template = "queue_job.JobAttempts";
    static props = {...standardFieldProps};

    get attempts() {
        const {records} = this.props.record.data[this.props.name];
        return records.map(({id, data, fields}) => ({
            key: id,
            ...data,
            state: OUTCOME_STATES[data.outcome] || "failed",
            label: Object.fromEntries(fields.outcome.selection)[data.outcome],
            start: data.date_start ? formatDateTime(data.date_start) : "",
            duration:
                data.date_start && data.date_end
                    ? formatDuration((data.date_end - data.date_start) / 1000)
                    : "",
        }));
    }
}

registry.category("fields").add("queue_job_attempts", {
    component: JobAttempts,
    displayName: _t("Attempts of a job"),
    supportedTypes: ["one2many"],
    useSubView: true,
});

/** A Python traceback: the frames of Odoo itself step back, and one click copies it. */
export class JobTraceback extends Component {
    static template = "queue_job.JobTraceback";
    static components = {CopyButton};
    static props = {...standardFieldProps};

    get text() {
        return this.props.record.data[this.props.name] || "";
    }

    get lines() {
        return tracebackLines(this.text);
    }
}

registry.category("fields").add("queue_job_traceback", {
    component: JobTraceback,
    displayName: _t("Traceback"),
    supportedTypes: ["text"],
});
