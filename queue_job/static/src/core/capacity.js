import {_t} from "@web/core/l10n/translation";
import {registry} from "@web/core/registry";
import {IntegerField, integerField} from "@web/views/fields/integer/integer_field";

/** Return a capacity in force in words: null is no limit, 0 lets nothing run. */
export function capacityText(capacity) {
    if (capacity === 0) {
        return String(_t("off"));
    }
    return String(capacity || _t("no limit"));
}

/** A limit of a channel's own: nothing stands where none is set. */
export class LimitField extends IntegerField {
    get formattedValue() {
        return this.props.readonly && !this.value ? "" : super.formattedValue;
    }
}

registry.category("fields").add("queue_job_limit", {
    ...integerField,
    component: LimitField,
    displayName: _t("Limit"),
});
