import {registry} from "@web/core/registry";
import {listView} from "@web/views/list/list_view";
import {ListController} from "@web/views/list/list_controller";
import {MultiRecordViewButton} from "@web/views/view_button/multi_record_view_button";
import {JOB_MODEL} from "../core/open_jobs";
import {useJobNews} from "../core/job_news";
import {LiveHealthBanner} from "../health/health_banner";

/** What the buttons of the list do to jobs. */
const CHANGES = {
    action_requeue_all: "requeue",
    action_done_all: "button_done",
    action_cancel_all: "button_cancelled",
};

/** A button that changes all jobs of a filter, also those which no page shows. */
export class JobsButton extends MultiRecordViewButton {
    async onClick(ev, newWindow) {
        const {clickParams, list} = this.props;
        const change = CHANGES[clickParams.name];
        if (!change || !list.isDomainSelected) {
            return super.onClick(ev, newWindow);
        }
        const {action, orm} = this.env.services;
        return this.env.onClickViewButton({
            clickParams,
            async beforeExecute() {
                const args = [list.domain, change];
                await action.doAction(
                    await orm.call(JOB_MODEL, "change_matching", args),
                    {onClose: () => list.model.load()}
                );
                return false;
            },
        });
    }
}

/** The list of jobs: it moves while nobody is busy with it, and says what is wrong. */
export class JobListController extends ListController {
    static template = "queue_job.JobListView";
    static components = {
        ...ListController.components,
        LiveHealthBanner,
        MultiRecordViewButton: JobsButton,
    };

    setup() {
        super.setup();
        useJobNews(() => this.refresh());
    }

    async refresh() {
        const {root} = this.model;
        const busy =
            root.editedRecord || root.selection?.length || root.isDomainSelected;
        if (this.model.isReady && !busy) {
            await root.load();
        }
    }
}

registry
    .category("views")
    .add("queue_job_list", {...listView, Controller: JobListController});
