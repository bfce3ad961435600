/**
 * Tells the open views that something has changed in the queue.
 *
 * While somebody looks, this tab listens to a channel of the bus and tells the job
 * runner from time to time that it does. The runner answers, and sends a message without
 * content after each change, once a second at most. Where no answer comes (no websocket,
 * no runner, no rights) the views know that they have to ask by themselves.
 */

import {browser} from "@web/core/browser/browser";
import {registry} from "@web/core/registry";
import {useService} from "@web/core/utils/hooks";
import {onMounted, onWillUnmount, useExternalListener} from "@odoo/owl";
import {POLL_INTERVAL, usePolling} from "./polling";

/** The channel of the bus, and the type of its messages. */
export const NEWS_CHANNEL = "queue_job.news";

/** Milliseconds between two signs that somebody looks; the runner waits for longer. */
export const WATCH_INTERVAL = 20000;
/** Milliseconds after the last message for which the bus is taken for alive. */
const TRUST = WATCH_INTERVAL + 10000;
/** Milliseconds between two calls where the bus tells of every change. */
export const NEWS_INTERVAL = 30000;
/** Milliseconds between two calls, however often something changes. */
export const SHORTEST_INTERVAL = 1000;

export const jobNewsService = {
    dependencies: ["bus_service", "orm"],
    start(env, {bus_service: bus, orm}) {
        const listeners = new Set();
        let timer = null;
        let heard = -Infinity;

        function onNews() {
            heard = Date.now();
            listeners.forEach((listener) => listener());
        }
        function watch() {
            timer = browser.setTimeout(watch, WATCH_INTERVAL);
            // who may not watch has to be content with asking
            orm.silent.call("queue.job.dashboard", "watch").catch(() => {});
        }
        async function begin() {
            bus.subscribe(NEWS_CHANNEL, onNews);
            bus.addEventListener("BUS:RECONNECT", onNews);
            await bus.addChannel(NEWS_CHANNEL);
            if (listeners.size) {
                browser.clearTimeout(timer);
                watch();
            } else {
                bus.deleteChannel(NEWS_CHANNEL);
            }
        }
        function end() {
            browser.clearTimeout(timer);
            heard = -Infinity;
            bus.unsubscribe(NEWS_CHANNEL, onNews);
            bus.removeEventListener("BUS:RECONNECT", onNews);
            bus.deleteChannel(NEWS_CHANNEL);
        }

        return {
            /** Whether news would come if there were any. */
            get isAlive() {
                return Date.now() - heard < TRUST;
            },
            join(listener) {
                listeners.add(listener);
                if (listeners.size === 1) {
                    begin();
                }
            },
            leave(listener) {
                if (listeners.delete(listener) && !listeners.size) {
                    end();
                }
            },
        };
    },
};

registry.category("services").add("queue_job.news", jobNewsService);

/**
 * Call an async function whenever something has changed in the queue: as the bus tells,
 * or every few seconds where it is silent; never while the tab is hidden.
 *
 * @param {() => Promise} callback
 * @param {number} [pace] milliseconds between two calls, however often something changes
 */
export function useJobNews(callback, pace = SHORTEST_INTERVAL) {
    const news = useService("queue_job.news");
    const interval = () => (news.isAlive ? NEWS_INTERVAL : POLL_INTERVAL);
    const polling = usePolling(callback, interval);
    const onNews = () => polling.soon(pace);
    const update = () => (document.hidden ? news.leave(onNews) : news.join(onNews));
    onMounted(update);
    onWillUnmount(() => news.leave(onNews));
    useExternalListener(document, "visibilitychange", update);
}
