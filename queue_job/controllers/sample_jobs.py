# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""``/queue_job/create_test_job``: sample jobs to try an installation with.

For users of the group *Access Rights*. Parameters, all optional: ``priority``,
``max_retries``, ``channel``, ``description``, ``size`` (number of jobs, more than one
make a random graph), ``failure_rate`` (0 to 1), ``job_duration`` (seconds),
``commit_within_job``, ``failure_retry_seconds``.
"""

import random

from werkzeug.exceptions import BadRequest, Forbidden

from odoo import http

from ..delay import chain, group


def _parse(value, cast, default):
    """The value cast, or the default where it can't be."""
    try:
        return cast(value)
    except (TypeError, ValueError):
        return default


class SampleJobs:
    """The part of the controller that makes sample jobs."""

    #: Jobs of one chain or group of the random graph, at most.
    TEST_GRAPH_MAX_PER_GROUP = 5

    @http.route("/queue_job/create_test_job", type="http", auth="user")
    def create_test_job(
        self,
        priority=None,
        max_retries=None,
        channel=None,
        description="Test job",
        size=1,
        failure_rate=0,
        job_duration=0,
        commit_within_job=False,
        failure_retry_seconds=0,
    ) -> str:
        """Enqueue one sample job, or a random graph of them.

        The parameters come as texts; those that can't be read have their default.

        :param size: number of jobs
        :param failure_rate: share of the attempts that fail, 0 to 1
        :param job_duration: seconds
        :param commit_within_job: commit inside the job
        :param failure_retry_seconds: until the next attempt; 0 fails at once
        :return: the uuid of the job or of the graph, as text
        :raise Forbidden: the user doesn't administrate access rights
        :raise BadRequest: there is no such failure rate
        """
        if not http.request.env.user.has_group("base.group_erp_manager"):
            raise Forbidden(http.request.env._("Access Denied"))
        failure_rate = _parse(failure_rate, float, 0)
        if not 0 <= failure_rate <= 1:
            raise BadRequest("failure_rate must be between 0 and 1")
        method_kwargs = {
            "failure_rate": failure_rate,
            "job_duration": _parse(job_duration, float, 0),
            "commit_within_job": commit_within_job,
            "failure_retry_seconds": _parse(failure_retry_seconds, int, 0),
        }
        options = {
            "priority": _parse(priority, int, None),
            "max_retries": _parse(max_retries, int, None),
            "channel": channel,
            "description": description,
        }
        size = _parse(size, int, 1)
        if size < 1:
            return ""
        if size == 1:
            return self._create_single_test_job(options, method_kwargs)
        return self._create_graph_test_jobs(size, options, method_kwargs)

    def _create_single_test_job(self, options, method_kwargs):
        job = http.request.env["queue.job"].with_delay(**options)
        return f"job uuid: {job._test_job(**method_kwargs).uuid}"

    def _create_graph_test_jobs(self, size, options, method_kwargs):
        delayables = [
            self._sample(number, options, method_kwargs)
            for number in range(1, size + 1)
        ]
        blocks = []
        while delayables:
            length = random.randint(1, self.TEST_GRAPH_MAX_PER_GROUP)
            block, delayables = delayables[:length], delayables[length:]
            blocks.append(random.choice((chain, group))(*block))
        root = blocks.pop(0)
        parents = [root]
        for block in blocks:
            random.choice(parents).on_done(block)
            parents.append(block)
        root.delay()
        job = next(iter(root._graph.vertices()))
        while not hasattr(job, "_generated_job"):
            job = job._head()[0]
        return f"graph uuid: {job._generated_job.graph_uuid}"

    def _sample(self, number, options, method_kwargs):
        description = f"{options['description']} #{number}"
        delayable = http.request.env["queue.job"].delayable(
            **{**options, "description": description}
        )
        return delayable._test_job(**method_kwargs)
