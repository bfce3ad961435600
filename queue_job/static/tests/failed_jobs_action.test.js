import {beforeEach, describe, expect, test} from "@odoo/hoot";
import {failedJobsAction} from "@queue_job/failures/failed_jobs_action";
import {getMockEnv, makeMockEnv, onRpc} from "@web/../tests/web_test_helpers";

const FAILED = ["state", "=", "failed"];

beforeEach(makeMockEnv);

describe("the page behind the links of a digest", () => {
    test("lists what failed", () => {
        expect(failedJobsAction({}, {}).domain).toEqual([FAILED]);
        expect(failedJobsAction.path).toBe("failed-jobs");
    });

    test("of one function with one error", () => {
        const params = {function: "<res.partner>.read", exc_name: "ValueError"};
        expect(failedJobsAction({}, {params}).domain).toEqual([
            FAILED,
            ["channel_method_name", "=", "<res.partner>.read"],
            ["exc_name", "=", "ValueError"],
        ]);
    });

    test("of one kind", async () => {
        onRpc("queue.job.failure.kind", "open_kind", ({args}) => ({res_id: args[0]}));
        const env = getMockEnv();
        const params = {function: "<res.partner>.read", kind: "1f05bb8fa7a91cad"};
        const action = await failedJobsAction(env, {params});
        expect(action.res_id).toBe("1f05bb8fa7a91cad");
    });
});
