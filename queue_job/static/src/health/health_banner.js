import {useService} from "@web/core/utils/hooks";
import {usePolling} from "../core/polling";

import {Component, onWillStart, useState} from "@odoo/owl";

/** Says why jobs do not run and what to do, one line for each problem. */
export class HealthBanner extends Component {
    static template = "queue_job.HealthBanner";
    static props = {problems: {type: Array, element: Object}};
}

/** The banner with a life of its own, for views which do not know the problems. */
export class LiveHealthBanner extends Component {
    static template = "queue_job.LiveHealthBanner";
    static components = {HealthBanner};
    static props = {};

    setup() {
        this.orm = useService("orm");
        this.state = useState({problems: []});
        const load = async () => {
            this.state.problems = await this.orm.silent.call(
                "queue.job.dashboard",
                "get_problems"
            );
        };
        // The view must not wait for it, nor fail with it.
        onWillStart(() => {
            load().catch(() => {});
        });
        usePolling(load, 15000);
    }
}
