/** The page "My jobs": what the user has delayed, in plain words. */

import {ConfirmationDialog} from "@web/core/confirmation_dialog/confirmation_dialog";
import {deserializeDateTime, formatDateTime} from "@web/core/l10n/dates";
import {_t} from "@web/core/l10n/translation";
import {registry} from "@web/core/registry";
import {useService} from "@web/core/utils/hooks";
import {Layout} from "@web/search/layout";
import {standardActionServiceProps} from "@web/webclient/actions/action_service";
import {useJobNews} from "../core/job_news";
import {JobProgressBar} from "../progress/progress_bar";

import {Component, onWillStart, useState} from "@odoo/owl";

export const PAGE = 40;

const MODEL = "queue.job.mine";
const WAITING = ["wait_dependencies", "pending", "enqueued"];

export const FILTERS = [
    {key: "all", label: _t("All"), states: null},
    {key: "open", label: _t("Open"), states: [...WAITING, "started"]},
    {key: "failed", label: _t("Failed"), states: ["failed"]},
    {key: "ended", label: _t("Ended"), states: ["done", "cancelled"]},
];

export class MyJobs extends Component {
    static template = "queue_job.MyJobs";
    static components = {JobProgressBar, Layout};
    static props = {...standardActionServiceProps};

    setup() {
        this.orm = useService("orm");
        this.action = useService("action");
        this.dialog = useService("dialog");
        this.mine = useService("queue_job.mine");
        this.display = {controlPanel: {}};
        this.filters = FILTERS;
        /** Why jobs wait, by uuid, where the user has asked. */
        this.state = useState({jobs: [], filter: "all", starts: [], why: {}});
        onWillStart(() => this.load());
        useJobNews(() => this.load());
    }

    async load() {
        const {filter, starts} = this.state;
        const {states} = FILTERS.find(({key}) => key === filter);
        const before = starts.at(-1) || null;
        const jobs = await this.orm.silent.call(MODEL, "get_jobs", [], {
            states,
            before,
            limit: PAGE,
        });
        if (filter === this.state.filter && starts === this.state.starts) {
            this.state.jobs = jobs;
        }
    }

    // -- what the template shows -------------------------------------------------------

    moment({moment}) {
        return formatDateTime(deserializeDateTime(moment), {showSeconds: false});
    }

    isWaiting({state}) {
        return WAITING.includes(state);
    }

    get hasOlder() {
        return this.state.jobs.length === PAGE;
    }

    // -- events ------------------------------------------------------------------------

    setFilter(filter) {
        Object.assign(this.state, {filter, starts: []});
        return this.load();
    }

    older() {
        this.state.starts = [...this.state.starts, this.state.jobs.at(-1).id];
        return this.load();
    }

    newer() {
        this.state.starts = this.state.starts.slice(0, -1);
        return this.load();
    }

    async askWhy({uuid}) {
        const reason = await this.orm.call("queue.job", "waiting_reason", [uuid]);
        this.state.why[uuid] =
            reason.text || _t("It begins as soon as it is its turn.");
    }

    cancel(job) {
        this.dialog.add(ConfirmationDialog, {
            title: _t("Cancel this job?"),
            body:
                job.state === "started"
                    ? _t("%s is running. Its work will be undone.", job.name)
                    : _t("%s will not be done.", job.name),
            confirmLabel: _t("Cancel Job"),
            cancelLabel: _t("Keep It"),
            confirm: () => this.change("cancel", job),
            cancel: () => {},
        });
    }

    async change(method, {uuid}) {
        await this.orm.call(MODEL, method, [uuid]);
        await Promise.all([this.load(), this.mine.refresh()]);
    }

    async openResult({uuid}) {
        const action = await this.orm.call(MODEL, "open_result", [uuid]);
        return action && this.action.doAction(action);
    }
}

registry.category("actions").add("queue_job_mine", MyJobs);
