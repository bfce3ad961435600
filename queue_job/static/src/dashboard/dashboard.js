import {_t} from "@web/core/l10n/translation";
import {registry} from "@web/core/registry";
import {useService} from "@web/core/utils/hooks";
import {useSetupAction} from "@web/search/action_hook";
import {Layout} from "@web/search/layout";
import {formatInteger} from "@web/views/fields/formatters";
import {standardActionServiceProps} from "@web/webclient/actions/action_service";
import {capacityText} from "../core/capacity";
import {formatDuration} from "../core/durations";
import {useJobNews} from "../core/job_news";
import {jobAction, jobsAction} from "../core/open_jobs";
import {openKind} from "../failures/failed_jobs_action";
import {HealthBanner} from "../health/health_banner";
import * as data from "./dashboard_data";
import {JobChart} from "./job_chart";

import {Component, onWillStart, useState} from "@odoo/owl";

/**
 * The state of the queue at a glance, moving while it moves. Every figure opens the jobs
 * behind it; channels are paused and failures requeued from here.
 */
export class QueueJobDashboard extends Component {
    static template = "queue_job.Dashboard";
    static components = {HealthBanner, JobChart, Layout};
    static props = {...standardActionServiceProps};

    setup() {
        this.action = useService("action");
        this.orm = useService("orm");
        this.capacityText = capacityText;
        this.formatDuration = formatDuration;
        this.formatCount = (count) => formatInteger(count);
        this.fullness = data.fullness;
        this.periods = data.PERIODS;
        this.display = {controlPanel: {}};
        this.state = useState({
            period: this.props.state?.period || "hour",
            figures: null,
        });
        useSetupAction({getLocalState: () => ({period: this.state.period})});
        onWillStart(() => this.load());
        useJobNews(() => this.load());
    }

    async load() {
        const {period} = this.state;
        const figures = await this.orm.silent.call(
            "queue.job.dashboard",
            "get_figures",
            [period]
        );
        if (period === this.state.period) {
            this.state.figures = figures;
        }
    }

    setPeriod(period) {
        this.state.period = period;
        return this.load();
    }

    // -- what the template shows -------------------------------------------------------

    get cards() {
        return data.stateCards(this.state.figures.states);
    }

    get totals() {
        return data.totals(this.state.figures.series);
    }

    get labels() {
        return data.timeLabels(this.state.figures.series, this.state.period);
    }

    get throughput() {
        return data.throughputDatasets(this.state.figures.series);
    }

    get waits() {
        return data.waitDatasets(this.state.figures.series);
    }

    get allPaused() {
        return this.state.figures.channels.some(
            ({name, paused}) => name === "root" && paused
        );
    }

    get mayPauseAll() {
        return this.state.figures.channels.some(
            ({name, may_change}) => name === "root" && may_change
        );
    }

    get allFailuresText() {
        const more = data.moreKinds(this.state.figures.failures);
        return more ? _t("All failures (%s more kinds)", more) : _t("All failures");
    }

    /** A channel stands below its parent: its own name is enough. */
    channelLabel({name}) {
        return name.split(".").at(-1);
    }

    channelTitle({name, fixed}) {
        return fixed
            ? _t("%(name)s: ruled by the server's configuration, %(setting)s", {
                  name,
                  setting: fixed,
              })
            : name;
    }

    failureText(failure) {
        return [failure.function, failure.message].filter(Boolean).join(": ");
    }

    pauseLabel({name}) {
        return _t("Pause %s", name);
    }

    resumeLabel({name}) {
        return _t("Resume %s", name);
    }

    aliveLabel({alive}) {
        return alive ? _t("Alive") : _t("Lost");
    }

    // -- events ------------------------------------------------------------------------

    openJobs(name, domain) {
        return this.action.doAction(jobsAction(name, domain));
    }

    openJob(id) {
        return this.action.doAction(jobAction(id));
    }

    openChannel(channel, states) {
        // The jobs below count in a channel too, those which wait count in their own.
        const operator = states.includes("started") ? "=like" : "=";
        const domain = [["state", "in", states]];
        const own = ["channel", "=", channel.name];
        const below = ["channel", operator, `${channel.name}.%`];
        return this.openJobs(
            channel.name,
            operator === "=" ? [...domain, own] : [...domain, "|", own, below]
        );
    }

    openFunction(name, states) {
        const since = ["date_created", ">=", this.state.figures.since];
        const domain = [
            ["channel_method_name", "=", name],
            ["state", "in", states],
        ];
        return this.openJobs(
            name,
            states.includes("failed") ? domain : [...domain, since]
        );
    }

    async openFailures({function: name, exc_name, kind}) {
        if (kind) {
            return this.action.doAction(await openKind(this.orm, kind));
        }
        return this.openJobs(exc_name || _t("Failed"), [
            ["state", "=", "failed"],
            ["channel_method_name", "=", name],
            ["exc_name", "=", exc_name],
        ]);
    }

    openWorker({host, pid}) {
        return this.openJobs(`${host || "?"}:${pid || "?"}`, [
            ["state", "=", "started"],
            ["worker_host", "=", host],
            ["worker_pid", "=", pid],
        ]);
    }

    openEnded(state) {
        const [first] = this.state.figures.series;
        return this.openJobs(_t("Jobs"), data.endedDomain(state, first.time));
    }

    openPoint(index) {
        const {series} = this.state.figures;
        const step = series.length > 1 ? series[1].time - series[0].time : 60;
        const {time} = series[index];
        return this.openJobs(
            this.labels[index],
            data.endedDomain("done", time, time + step)
        );
    }

    /** Open the dialog that asks why, and until when. */
    async askPause(method, ids) {
        const action = await this.orm.call("queue.job.channel", method, [ids]);
        return this.action.doAction(action, {onClose: () => this.load()});
    }

    pause({id}) {
        return this.askPause("action_ask_pause", [id]);
    }

    pauseAll() {
        return this.askPause("action_ask_pause_all", []);
    }

    async resume({id}) {
        await this.orm.call("queue.job.channel", "action_resume", [[id]]);
        await this.load();
    }

    async resumeAll() {
        await this.orm.call("queue.job.channel", "action_resume_all", [[]]);
        await this.load();
    }

    openKinds() {
        return this.action.doAction("queue_job.action_queue_job_failure_kind");
    }

    async requeue({function: name, exc_name, kind}) {
        const args = kind ? [name, exc_name, kind] : [name, exc_name];
        const action = await this.orm.call(
            "queue.job.dashboard",
            "requeue_failures",
            args
        );
        await this.action.doAction(action, {onClose: () => this.load()});
    }
}

registry.category("actions").add("queue_job_dashboard", QueueJobDashboard);
