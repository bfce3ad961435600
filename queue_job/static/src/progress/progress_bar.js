/** The bar of a job: how far it is, if it says so, and what it does. */

import {Component} from "@odoo/owl";

export class JobProgressBar extends Component {
    static template = "queue_job.ProgressBar";
    static props = {
        percent: {type: [Number, {value: null}, {value: false}], optional: true},
        message: {type: [String, {value: null}, {value: false}], optional: true},
        isMoving: {type: Boolean, optional: true},
    };
    static defaultProps = {isMoving: true};

    get isKnown() {
        return typeof this.props.percent === "number";
    }

    get width() {
        return this.isKnown ? Math.round(this.props.percent) : 100;
    }
}
