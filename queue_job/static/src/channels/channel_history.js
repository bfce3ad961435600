import {registry} from "@web/core/registry";
import {useService} from "@web/core/utils/hooks";
import {standardWidgetProps} from "@web/views/widgets/standard_widget_props";
import {formatDuration} from "../core/durations";
import {useJobNews} from "../core/job_news";
import * as data from "../dashboard/dashboard_data";
import {JobChart} from "../dashboard/job_chart";

import {Component, onWillStart, onWillUpdateProps, useState} from "@odoo/owl";

/** What a channel and those below it did, and how long their jobs waited. */
export class ChannelHistory extends Component {
    static template = "queue_job.ChannelHistory";
    static components = {JobChart};
    static props = {...standardWidgetProps};

    setup() {
        this.orm = useService("orm");
        this.periods = data.PERIODS;
        this.formatDuration = formatDuration;
        this.state = useState({period: "day", series: []});
        onWillStart(() => this.load());
        onWillUpdateProps((props) => this.load(props));
        useJobNews(() => this.load());
    }

    async load({record} = this.props) {
        const {period} = this.state;
        const {series} = await this.orm.silent.call(record.resModel, "get_history", [
            record.resId,
            period,
        ]);
        if (period === this.state.period && record.resId === this.props.record.resId) {
            this.state.series = series;
        }
    }

    setPeriod(period) {
        this.state.period = period;
        return this.load();
    }

    get labels() {
        return data.timeLabels(this.state.series, this.state.period);
    }

    get throughput() {
        return data.throughputDatasets(this.state.series);
    }

    get waits() {
        return data.waitDatasets(this.state.series);
    }
}

registry
    .category("view_widgets")
    .add("queue_job_channel_history", {component: ChannelHistory});
