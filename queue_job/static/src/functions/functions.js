import {deserializeDateTime, toLocaleDateTimeString} from "@web/core/l10n/dates";
import {_t} from "@web/core/l10n/translation";
import {registry} from "@web/core/registry";
import {useService} from "@web/core/utils/hooks";
import {useSetupAction} from "@web/search/action_hook";
import {Layout} from "@web/search/layout";
import {formatInteger} from "@web/views/fields/formatters";
import {standardActionServiceProps} from "@web/webclient/actions/action_service";
import {formatDuration} from "../core/durations";
import {jobsAction} from "../core/open_jobs";
import {FunctionChart} from "./function_chart";
import * as data from "./functions_data";

import {Component, onMounted, onWillStart, useState} from "@odoo/owl";

const PAGE_MODEL = "queue.job.function.page";
const PAGE_TAG = "queue_job_function";

const factorText = (factor) => factor.toFixed(1);

/** All job functions that ran or have settings; each opens its page. */
export class JobFunctions extends Component {
    static template = "queue_job.JobFunctions";
    static components = {Layout};
    static props = {...standardActionServiceProps};

    setup() {
        this.action = useService("action");
        this.orm = useService("orm");
        this.columns = data.COLUMNS;
        this.display = {controlPanel: {}};
        this.formatCount = (count) => formatInteger(count);
        this.state = useState({
            words: "",
            key: "runs",
            ascending: false,
            ...this.props.state,
            rows: [],
        });
        const remembered = ({words, key, ascending}) => ({words, key, ascending});
        useSetupAction({getLocalState: () => remembered(this.state)});
        onWillStart(async () => {
            this.state.rows = await this.orm.call(PAGE_MODEL, "get_functions");
        });
    }

    get rows() {
        return data.arrange(this.state.rows, this.state);
    }

    get slower() {
        return this.state.rows.filter(({slower}) => slower);
    }

    sortBy({key, ascending = false}) {
        const same = this.state.key === key;
        this.state.ascending = same ? !this.state.ascending : ascending;
        this.state.key = key;
    }

    ariaSort({key}) {
        if (this.state.key !== key) {
            return "none";
        }
        return this.state.ascending ? "ascending" : "descending";
    }

    cell(row, {key, time}) {
        if (key === "last_run") {
            const hour = row.last_run && deserializeDateTime(row.last_run);
            return hour ? toLocaleDateTimeString(hour) : "";
        }
        return time ? formatDuration(row[key] || null) : formatInteger(row[key]);
    }

    slowerLabel({slower}) {
        return _t("%s times as slow", factorText(slower));
    }

    open({name}) {
        return this.action.doAction({
            type: "ir.actions.client",
            tag: PAGE_TAG,
            path: JobFunctionPage.path,
            params: {function: name},
        });
    }
}

registry.category("actions").add("queue_job_functions", JobFunctions);

/** What one job function did in a week, beside the week before. */
export class JobFunctionPage extends Component {
    static template = "queue_job.JobFunctionPage";
    static components = {FunctionChart, Layout};
    static props = {...standardActionServiceProps};
    static path = "job-function";
    static displayName = _t("Job Function");

    setup() {
        this.action = useService("action");
        this.orm = useService("orm");
        this.display = {controlPanel: {}};
        this.formatDuration = formatDuration;
        this.formatCount = (count) => formatInteger(count);
        this.name = this.props.action.params?.function || this.props.state?.name || "";
        this.state = useState({page: {}});
        useSetupAction({getLocalState: () => ({name: this.name})});
        onWillStart(async () => {
            const args = [this.name];
            this.state.page = await this.orm.call(PAGE_MODEL, "get_function", args);
            this.env.config.setDisplayName(this.page.label || this.name);
        });
        onMounted(() => this.props.updateActionState?.({function: this.name}));
    }

    get page() {
        return this.state.page;
    }

    get cards() {
        return data.cards(this.page);
    }

    get labels() {
        return data.timeLabels(this.page.series);
    }

    get runs() {
        return data.runDatasets(this.page.series);
    }

    get times() {
        return data.timeDatasets(this.page.series);
    }

    get marks() {
        return data.versionMarks(this.page.versions, this.page.series);
    }

    get histograms() {
        const {run_histogram, wait_histogram} = this.page;
        return [
            {key: "run", label: _t("How long it ran"), classes: run_histogram},
            {key: "wait", label: _t("How long it waited"), classes: wait_histogram},
        ].map(({classes, ...more}) => ({...more, ...data.histogram(classes)}));
    }

    get slowerText() {
        const {factor, median, median_before} = this.page.slower;
        return _t(
            "It has slowed down: half of its runs took more than %(now)s in the last " +
                "24 hours, %(factor)s times the %(before)s of the week before.",
            {
                now: formatDuration(median),
                before: formatDuration(median_before),
                factor: factorText(factor),
            }
        );
    }

    get settings() {
        const {channel, timeout, retry_pattern, retry_on, former_names} =
            this.page.settings;
        const none = _t("none");
        return [
            {key: "channel", label: _t("Channel"), value: channel},
            {
                key: "timeout",
                label: _t("Timeout"),
                value: timeout ? formatDuration(timeout) : none,
            },
            {
                key: "retry_pattern",
                label: _t("Retry Pattern"),
                value: retry_pattern === "{}" ? none : retry_pattern,
            },
            {
                key: "retry_on",
                label: _t("Retry on Exceptions"),
                value: retry_on || none,
            },
            {key: "former_names", label: _t("Former Names"), value: former_names},
        ].filter(({value}) => value);
    }

    async openSettings() {
        const args = [this.name];
        const action = await this.orm.call(PAGE_MODEL, "action_settings", args);
        return this.action.doAction(action);
    }

    openJobs(domain = []) {
        const own = ["channel_method_name", "=", this.name];
        return this.action.doAction(jobsAction(this.page.label, [own, ...domain]));
    }

    openFailures({exc_name}) {
        return this.openJobs([
            ["state", "=", "failed"],
            ["exc_name", "=", exc_name],
        ]);
    }
}

registry.category("actions").add(PAGE_TAG, JobFunctionPage);
