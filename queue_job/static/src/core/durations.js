/** Seconds in words short enough for a table. */

import {_t} from "@web/core/l10n/translation";

const pad = (number) => String(Math.floor(number)).padStart(2, "0");

export function formatDuration(seconds) {
    if (seconds === null || seconds === undefined || seconds === false) {
        return "";
    }
    if (seconds && seconds < 1) {
        return _t("%s ms", Math.round(seconds * 1000));
    }
    if (seconds < 60) {
        return _t(
            "%s s",
            seconds < 10 ? Number(seconds.toFixed(1)) : Math.round(seconds)
        );
    }
    if (seconds < 3600) {
        return _t("%(minutes)s min %(seconds)s s", {
            minutes: Math.floor(seconds / 60),
            seconds: pad(seconds % 60),
        });
    }
    if (seconds < 86400) {
        return _t("%(hours)s h %(minutes)s min", {
            hours: Math.floor(seconds / 3600),
            minutes: pad((seconds % 3600) / 60),
        });
    }
    return _t("%(days)s d %(hours)s h", {
        days: Math.floor(seconds / 86400),
        hours: Math.floor((seconds % 86400) / 3600),
    });
}
