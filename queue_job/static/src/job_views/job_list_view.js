import {registry} from "@web/core/registry";
import {listView} from "@web/views/list/list_view";
import {ListController} from "@web/views/list/list_controller";
import {usePolling} from "../core/polling";
import {LiveHealthBanner} from "../health/health_banner";

/** The list of jobs: it moves while nobody is busy with it, and says what is wrong. */
export class JobListController extends ListController {
    static template = "queue_job.JobListView";
    static components = {...ListController.components, LiveHealthBanner};

    setup() {
        super.setup();
        usePolling(() => this.refresh());
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
