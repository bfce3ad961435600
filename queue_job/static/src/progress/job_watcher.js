/** Follows one job: by the bus, and by asking where the bus is silent. */

import {browser} from "@web/core/browser/browser";
import {FINAL_STATES} from "@queue_job/core/job_states";

/** Milliseconds until the job is asked for, if the bus says nothing; grows to the second. */
export const FIRST_PAUSE = 2000;
export const LONGEST_PAUSE = 10000;

/** There is no such job, or it is none of the user's business. */
export const UNKNOWN = "unknown";

/**
 * Return the percentage of the whole from that of the present stage.
 *
 * @param {[string, number][]} stages names and weights
 */
export function percentOfStages(stages, stage, percent) {
    const position = stages.findIndex(([name]) => name === stage);
    const total = stages.reduce((sum, [, weight]) => sum + weight, 0);
    if (position < 0 || !total) {
        return percent;
    }
    const complete = stages
        .slice(0, position)
        .reduce((sum, [, weight]) => sum + weight, 0);
    return (100 * complete + stages[position][1] * (percent || 0)) / total;
}

export class JobWatcher {
    /**
     * @param {Object} services
     * @param {Object} services.orm
     * @param {Object} services.bus_service
     * @param {string} uuid
     * @param {Object} options
     * @param {(answer: Object) => void} options.onUpdate called with what is known of the job
     * @param {[string, number][]} [options.stages]
     */
    constructor({orm, bus_service}, uuid, {onUpdate, stages = []}) {
        this.orm = orm;
        this.bus = bus_service;
        this.uuid = uuid;
        this.stages = stages;
        this.onUpdate = onUpdate;
        this.answer = {uuid, state: "pending"};
        this.running = false;
        this.pause = FIRST_PAUSE;
        this.onProgress = this.onProgress.bind(this);
        this.onState = this.onState.bind(this);
        this.ask = this.ask.bind(this);
    }

    start() {
        this.running = true;
        this.bus.subscribe("queue_job.progress.progress", this.onProgress);
        this.bus.subscribe("queue_job.state", this.onState);
        this.bus.addEventListener("BUS:RECONNECT", this.ask);
        this.bus.start?.();
        return this.ask();
    }

    stop() {
        this.running = false;
        browser.clearTimeout(this.timer);
        this.bus.unsubscribe("queue_job.progress.progress", this.onProgress);
        this.bus.unsubscribe("queue_job.state", this.onState);
        this.bus.removeEventListener("BUS:RECONNECT", this.ask);
    }

    /** Ask for the state now, and again after a while. */
    async ask() {
        browser.clearTimeout(this.timer);
        try {
            const answer = await this.orm.silent.call(
                "queue.job",
                "wait_state",
                [this.uuid],
                {
                    stages: this.stages,
                }
            );
            this.update(answer);
        } catch {
            // the server restarts, or the network is away: the job goes on
        }
        this.schedule();
    }

    schedule() {
        browser.clearTimeout(this.timer);
        if (this.running) {
            this.timer = browser.setTimeout(this.ask, this.pause);
            this.pause = Math.min(this.pause * 1.5, LONGEST_PAUSE);
        }
    }

    update(answer) {
        if (!this.running) {
            return;
        }
        if (!FINAL_STATES.includes(answer.state) && this.isBehind(answer)) {
            answer.percent = this.answer.percent;
        }
        this.answer = {...this.answer, ...answer};
        if (this.isOver) {
            this.stop();
        }
        this.onUpdate(this.answer);
    }

    /** A slow answer may be older than the last message. */
    isBehind({stage, percent}) {
        return (
            (stage || false) === (this.answer.stage || false) &&
            percent < this.answer.percent
        );
    }

    get isOver() {
        return (
            FINAL_STATES.includes(this.answer.state) || this.answer.state === UNKNOWN
        );
    }

    onProgress({uuid, percent, message, stage}) {
        if (uuid === this.uuid) {
            this.pause = FIRST_PAUSE;
            percent = percentOfStages(this.stages, stage, percent);
            this.update({state: "started", percent, message, stage});
            this.schedule();
        }
    }

    onState({uuid}) {
        if (uuid === this.uuid) {
            this.ask();
        }
    }
}
