import {loadBundle} from "@web/core/assets";

import {Component, onWillStart, onWillUnmount, useEffect, useRef} from "@odoo/owl";

/**
 * A chart over time, in the colours of the states of jobs.
 *
 * New data moves the chart without drawing it anew. A click tells the index of the point.
 */
export class JobChart extends Component {
    static template = "queue_job.JobChart";
    static props = {
        title: String,
        type: {validate: (type) => ["bar", "line"].includes(type)},
        labels: Array,
        /** {label, state, data}: the state gives the colour */
        datasets: {type: Array, element: Object},
        format: {type: Function, optional: true},
        onSelect: {type: Function, optional: true},
    };
    static defaultProps = {format: (value) => value};

    setup() {
        this.canvas = useRef("canvas");
        this.chart = null;
        onWillStart(() => loadBundle("web.chartjs_lib"));
        useEffect(
            () => this.show(),
            () => [JSON.stringify([this.props.labels, this.props.datasets])]
        );
        onWillUnmount(() => this.chart?.destroy());
    }

    show() {
        const data = {
            labels: this.props.labels,
            datasets: this.props.datasets.map((dataset) => this.styled(dataset)),
        };
        if (this.chart) {
            this.chart.data = data;
            this.chart.update("none");
        } else {
            const {options, plugins} = this;
            const config = {type: this.props.type, data, options, plugins};
            this.chart = new window.Chart(this.canvas.el, config);
        }
    }

    /** What draws more than the data: plugins of Chart.js. */
    get plugins() {
        return [];
    }

    styled({label, state, data}) {
        const color = this.colorOf(state);
        const line = {borderWidth: 2, pointRadius: 0, pointHitRadius: 8, tension: 0.3};
        return {
            label,
            data,
            backgroundColor: color,
            borderColor: color,
            ...(this.props.type === "line"
                ? line
                : {barPercentage: 1, categoryPercentage: 0.9}),
        };
    }

    /** Read the colour of a state from the style sheet. */
    colorOf(state) {
        const probe = document.createElement("i");
        probe.className = `o_job_state o_job_state_${state}`;
        this.canvas.el.parentElement.appendChild(probe);
        const color = getComputedStyle(probe)
            .getPropertyValue("--o-job-state-color")
            .trim();
        probe.remove();
        return color;
    }

    get options() {
        // the text colour of the theme, and the same but faint for the lines
        const text = getComputedStyle(this.canvas.el).color;
        const grid = text.replace(/^rgb\((.*)\)$/, "rgba($1, 0.12)");
        const stacked = this.props.type === "bar";
        const format = (value) => String(this.props.format(value));
        return {
            animation: false,
            responsive: true,
            maintainAspectRatio: false,
            interaction: {mode: "index", intersect: false},
            onClick: (_ev, points) =>
                points.length && this.props.onSelect?.(points[0].index),
            scales: {
                x: {
                    stacked,
                    grid: {display: false},
                    ticks: {color: text, maxTicksLimit: 8, maxRotation: 0},
                },
                y: {
                    stacked,
                    beginAtZero: true,
                    suggestedMax: 1,
                    grid: {color: grid},
                    ticks: {color: text, maxTicksLimit: 5, callback: format},
                },
            },
            plugins: {
                legend: {labels: {color: text, boxWidth: 12}},
                tooltip: {
                    callbacks: {
                        label: ({dataset, raw}) => `${dataset.label}: ${format(raw)}`,
                    },
                },
            },
        };
    }
}
