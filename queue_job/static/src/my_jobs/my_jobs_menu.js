/** The ways to "My jobs": the user menu, and the counter while jobs are open. */

import {_t} from "@web/core/l10n/translation";
import {registry} from "@web/core/registry";
import {useService} from "@web/core/utils/hooks";
import {useJobNews} from "../core/job_news";
import {MY_JOBS_ACTION} from "../notification/job_notification_service";

import {Component, useState, xml} from "@odoo/owl";

/** Milliseconds between two questions of a counter, however often something changes. */
const PACE = 3000;

/** The server counts no further. */
const MOST_COUNTED = 100;

/** Asks for the number, for as long as it is there. */
class CounterPulse extends Component {
    static template = xml`<t/>`;
    static props = {};

    setup() {
        const jobs = useService("queue_job.mine");
        useJobNews(() => jobs.refresh(), PACE);
    }
}

export class MyJobsMenu extends Component {
    static template = "queue_job.MyJobsMenu";
    static components = {CounterPulse};
    static props = {};

    setup() {
        this.action = useService("action");
        this.jobs = useState(useService("queue_job.mine").state);
    }

    get count() {
        const {open} = this.jobs;
        return open < MOST_COUNTED ? String(open) : `${MOST_COUNTED - 1}+`;
    }

    get label() {
        return _t("My jobs: %s not ended", this.count);
    }

    onClick() {
        return this.action.doAction(MY_JOBS_ACTION);
    }
}

registry
    .category("systray")
    .add("queue_job.MyJobsMenu", {Component: MyJobsMenu}, {sequence: 26});

function myJobsItem(env) {
    return {
        type: "item",
        id: "queue_job_mine",
        description: _t("My Jobs"),
        callback: () => env.services.action.doAction(MY_JOBS_ACTION),
        sequence: 45,
    };
}

registry.category("user_menuitems").add("queue_job_mine", myJobsItem);
