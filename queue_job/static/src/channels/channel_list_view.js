import {registry} from "@web/core/registry";
import {ListController} from "@web/views/list/list_controller";
import {listView} from "@web/views/list/list_view";

/** The list of channels: a new one needs a name and a place, which the form asks for. */
export class ChannelListController extends ListController {
    createRecord() {
        return this.props.createRecord();
    }
}

registry
    .category("views")
    .add("queue_job_channel_list", {...listView, Controller: ChannelListController});
