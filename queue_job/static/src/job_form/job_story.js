import {toLocaleDateTimeString} from "@web/core/l10n/dates";
import {_t} from "@web/core/l10n/translation";
import {registry} from "@web/core/registry";
import {standardFieldProps} from "@web/views/fields/standard_field_props";
import {standardWidgetProps} from "@web/views/widgets/standard_widget_props";
import {story} from "./job_story_data";
import {timeline} from "./job_timeline_data";

import {Component} from "@odoo/owl";

const {DateTime} = luxon;

const dependencies = (types) =>
    Object.entries(types).flatMap(([type, names]) =>
        names.map((name) => ({name, type}))
    );

/** What a story and a timeline are made of. */
const FACTS = dependencies({
    selection: ["state"],
    integer: ["retry", "max_retries"],
    float: ["exec_time", "run_time"],
    datetime: [
        ...["date_created", "eta", "date_runnable", "date_started"],
        ...["date_done", "date_cancelled", "failed_at"],
    ],
});

/** The life of a job in one line, on top of its form. */
export class JobStory extends Component {
    static template = "queue_job.JobStory";
    static props = {...standardWidgetProps};

    get facts() {
        return story(this.props.record.data, DateTime.now());
    }
}

registry.category("view_widgets").add("queue_job_story", {
    component: JobStory,
    fieldDependencies: FACTS,
});

/** The life of a job as a timeline, with the attempts that did not end well. */
export class JobAttempts extends Component {
    static template = "queue_job.JobAttempts";
    static props = {...standardFieldProps};

    get moments() {
        const {data} = this.props.record;
        const attempts = this.attempts.map(({id, data: values, fields}) => ({
            id,
            data: values,
            label: Object.fromEntries(fields.outcome.selection)[values.outcome] || "",
        }));
        return timeline(data, attempts, DateTime.now());
    }

    /** The last ones, the first of them first. */
    get attempts() {
        const {records} = this.props.record.data[this.props.name];
        return [...records].sort((a, b) => a.data.number - b.data.number);
    }

    get earlier() {
        const {count} = this.props.record.data[this.props.name];
        const hidden = count - this.attempts.length;
        return hidden > 0 ? _t("%s earlier attempts are not shown", hidden) : "";
    }

    dateOf({date}) {
        return date ? toLocaleDateTimeString(date, {showSeconds: true}) : "";
    }
}

registry.category("fields").add("queue_job_attempts", {
    component: JobAttempts,
    displayName: _t("Timeline of a job"),
    supportedTypes: ["one2many"],
    useSubView: true,
    fieldDependencies: FACTS,
});
