/** The dialog which is there while the user waits for a job. */

import {Component, onMounted, onWillUnmount, useState} from "@odoo/owl";
import {browser} from "@web/core/browser/browser";
import {Dialog} from "@web/core/dialog/dialog";
import {_t} from "@web/core/l10n/translation";
import {useService} from "@web/core/utils/hooks";
import {JobProgressBar} from "../progress/progress_bar";
import {JobWatcher} from "../progress/job_watcher";

/** A dialog which only its own buttons close. */
class PatientDialog extends Dialog {
    onEscape() {}
}

export class WaitDialog extends Component {
    static template = "queue_job.WaitDialog";
    static components = {PatientDialog, JobProgressBar};
    static props = {
        close: Function,
        /** Called with the last answer about the job, or null if the user left. */
        onEnd: Function,
        uuid: String,
        message: {type: [String, Boolean], optional: true},
        cancellable: {type: Boolean, optional: true},
        stages: {type: Array, optional: true},
        timeout: {type: Number, optional: true},
    };
    static defaultProps = {cancellable: false, stages: [], timeout: 1200};

    setup() {
        this.orm = useService("orm");
        this.action = useService("action");
        this.state = useState({job: {}, cancelling: false, asking: false});
        const services = {orm: this.orm, bus_service: useService("bus_service")};
        this.watcher = new JobWatcher(services, this.props.uuid, {
            stages: this.props.stages,
            onUpdate: (answer) => this.onUpdate(answer),
        });
        onMounted(() => {
            this.watcher.start();
            this.startClock();
        });
        onWillUnmount(() => {
            this.watcher.stop();
            browser.clearTimeout(this.clock);
        });
    }

    startClock() {
        this.state.asking = false;
        this.clock = browser.setTimeout(() => {
            this.state.asking = true;
        }, this.props.timeout * 1000);
    }

    get message() {
        return (
            this.state.job.message ||
            this.state.job.waiting ||
            this.props.message ||
            (this.state.job.state === "started"
                ? _t("Your request is being processed.")
                : _t("Your request is about to be processed."))
        );
    }

    onUpdate(answer) {
        this.state.job = answer;
        if (this.watcher.isOver) {
            this.end(answer);
        }
    }

    end(answer) {
        this.props.onEnd(answer);
        this.props.close();
    }

    async onCancel() {
        this.state.cancelling = true;
        try {
            await this.orm.call("queue.job", "wait_cancel", [this.props.uuid]);
        } catch (error) {
            this.state.cancelling = false;
            throw error;
        }
        await this.watcher.ask();
    }

    onLeave() {
        this.end(null);
    }

    onOpen() {
        const resId = this.state.job.id;
        this.end(null);
        return openJob(this.action, resId);
    }
}

export function openJob(actionService, resId) {
    return actionService.doAction({
        type: "ir.actions.act_window",
        res_model: "queue.job",
        res_id: resId,
        views: [[false, "form"]],
    });
}
