/** The page "My Jobs" of the portal keeps up with the jobs, while somebody looks. */

import {browser} from "@web/core/browser/browser";
import {registry} from "@web/core/registry";
import {Interaction} from "@web/public/interaction";

/** Milliseconds between two looks: while jobs are open, and when none is. */
const MOVING = 5000;
const RESTING = 30000;

export class MyJobs extends Interaction {
    static selector = ".o_queue_job_portal";

    start() {
        this.schedule();
    }

    schedule() {
        const isMoving = Number(this.el.querySelector("[data-open]")?.dataset.open);
        this.waitForTimeout(() => this.refresh(), isMoving ? MOVING : RESTING);
    }

    async refresh() {
        const isBusy = this.el.contains(document.activeElement);
        if (!document.hidden && !isBusy) {
            try {
                await this.load();
            } catch {
                // the server restarts, or the network is away: it asks again
            }
        }
        this.schedule();
    }

    async load() {
        const response = await this.waitFor(browser.fetch(this.el.dataset.rows));
        if (response.ok && !response.redirected) {
            this.el.innerHTML = await this.waitFor(response.text());
        }
    }
}

registry.category("public.interactions").add("queue_job_portal.my_jobs", MyJobs);
