# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What other code imports, calls by position, patches by path or refers to by XML id.

The tables name it; a change of one of them breaks somebody. A signature is given by
the parameters which callers may pass by position; more may follow after them.
"""

import importlib
import inspect
import logging

from odoo import http
from odoo.tests import TransactionCase, tagged

from odoo.addons.queue_job.delay import Delayable, DelayableGraph
from odoo.addons.queue_job.job import Job

ADDON = "odoo.addons.queue_job"

#: module -> names that are imported from it, or looked up in it
NAMES = {
    "": "controllers fields models wizards jobrunner post_init_hook identity_exact",
    "job": "WAIT_DEPENDENCIES PENDING ENQUEUED CANCELLED DONE STARTED FAILED STATES "
    "DEFAULT_PRIORITY DEFAULT_MAX_RETRIES RETRY_INTERVAL identity_exact "
    "identity_exact_hasher Job _is_model_method _rebind_to_cr datetime timedelta os "
    "uuid randint",
    "delay": "group chain Graph DelayableGraph DelayableChain DelayableGroup Delayable "
    "DelayableRecordset Job",
    "exception": "BaseQueueJobError JobError NoSuchJobError FailedJobError "
    "RetryableJobError ChannelNotFound",
    "fields": "JobSerialized JobEncoder JobDecoder",
    "utils": "must_run_without_delay",
    "post_init_hook": "post_init_hook",
    "controllers.main": "RunJobController PG_RETRY _prevent_commit "
    "DEPENDS_MAX_TRIES_ON_CONCURRENCY_FAILURE",
    "models.base": "Base DelayableRecordset Delayable",
    "models.queue_job": "QueueJob",
    "models.queue_job_channel": "QueueJobChannel",
    "models.queue_job_function": "QueueJobFunction regex_job_function_name",
    "models.queue_job_lock": "QueueJobLock",
    "models.ir_model_fields": "IrModelFields",
    "wizards.queue_requeue_job": "QueueRequeueJob",
    "wizards.queue_jobs_to_done": "SetJobsToDone",
    "wizards.queue_jobs_to_cancelled": "SetJobsToCancelled",
    "jobrunner": "QueueJobRunnerThread WorkerJobRunner START_DELAY queue_job_config "
    "runner_thread QueueJobRunner _channels _is_runner_enabled _start_runner_thread "
    "prefork__init__ prefork_process_spawn prefork_worker_pop threaded_start "
    "threaded_stop orig_prefork__init__ orig_prefork_process_spawn "
    "orig_prefork_worker_pop orig_threaded_start orig_threaded_stop",
    "jobrunner.runner": "QueueJobRunner Database MasterElectionLost SELECT_TIMEOUT "
    "ERROR_RECOVERY_DELAY PG_ADVISORY_LOCK_ID _channels _odoo_now _connection_info_for "
    "_async_http_get select",
    "jobrunner.channels": "NOT_DONE JobSortingKey PriorityQueue ChannelJob "
    "ChannelQueue Channel ChannelManager split_strip WAIT_DEPENDENCIES PENDING "
    "ENQUEUED CANCELLED DONE STARTED FAILED",
    "jobrunner.__main__": "main",
    "tests.common": "trap_jobs JobsTrap JobCall JobCounter JobMixin mock_with_delay "
    "OdooDocTestCase load_doctests",
}

SIX = "priority=None eta=None max_retries=None description=None channel=None "
SIX += "identity_key=None"
#: module:object -> parameters by position, with their defaults
SIGNATURES = {
    "models.base:Base.with_delay": f"self {SIX}",
    "models.base:Base.delayable": f"self {SIX}",
    "models.base:Base._patch_job_auto_delay": "self method_name context_key=None",
    "models.base:Base._job_store_values": "self job",
    "models.base:Base._job_prepare_context_before_enqueue_keys": "self",
    "models.base:Base._job_prepare_context_before_enqueue": "self",
    "delay:Delayable": f"recordset {SIX}",
    "delay:DelayableRecordset": f"recordset {SIX}",
    "delay:Delayable.split": "self size chain=False",
    "delay:Graph": "graph=None",
    "job:Job": "func args=None kwargs=None priority=None eta=None job_uuid=None "
    "max_retries=None description=None channel=None identity_key=None",
    "job:Job.load": "env job_uuid",
    "job:Job.load_many": "env job_uuids",
    "job:Job._load_from_db_record": "record",
    "job:Job.db_records_from_uuids": "env job_uuids",
    "job:Job.set_pending": "self result=None reset_retry=True",
    "job:Job.set_done": "self result=None",
    "job:Job.set_cancelled": "self result=None",
    "job:Job.postpone": "self result=None seconds=None",
    "job:Job._get_retry_seconds": "self seconds=None",
    "job:Job.on_fail": "self fail_vals",
    "job:identity_exact": "job_",
    "job:identity_exact_hasher": "job_",
    "exception:RetryableJobError": "msg seconds=None ignore_retry=False",
    "utils:must_run_without_delay": "env",
    "post_init_hook:post_init_hook": "env",
    "controllers.main:_prevent_commit": "cr",
    "controllers.main:RunJobController._acquire_job": "env job_uuid",
    "controllers.main:RunJobController._try_perform_job": "env job",
    "controllers.main:RunJobController._enqueue_dependent_jobs": "env job",
    "controllers.main:RunJobController._runjob": "env job",
    "controllers.main:RunJobController._get_failure_values": "job traceback_txt exc",
    "queue.job:_change_job_state": "self state result=None",
    "models.queue_job:QueueJob._test_job": "self failure_rate=0 job_duration=0 "
    "commit_within_job=False failure_retry_seconds=0",
    "queue.job:requeue_stuck_jobs": "self enqueued_delta=1 started_delta=-1",
    "models.queue_job_function:QueueJobFunction.job_function_name": "model_name "
    "method_name",
    "models.queue_job_function:QueueJobFunction.job_config": "self name",
    "jobrunner:_start_runner_thread": "server_type",
    "jobrunner.runner:QueueJobRunner": 'scheme="http" host="localhost" port=8069 '
    "user=None password=None channel_config_string=None",
    "jobrunner.runner:QueueJobRunner.close_databases": "self remove_jobs=True",
    "jobrunner.runner:QueueJobRunner.sleep": "self seconds",
    "jobrunner.runner:Database": "db_name",
    "jobrunner.runner:Database.select_jobs": "self where args=()",
    "jobrunner.runner:Database.set_job_enqueued": "self uuid",
    "jobrunner.runner:_connection_info_for": "db_name",
    "jobrunner.runner:_async_http_get": "scheme host port user password db_name "
    "job_uuid",
    "jobrunner.channels:ChannelJob": "db_name channel uuid seq date_created priority "
    "eta",
    "jobrunner.channels:Channel": "name parent capacity=None sequential=False "
    "throttle=0 paused=False",
    "jobrunner.channels:Channel.get_wakeup_time": "self wakeup_time=0",
    "jobrunner.channels:ChannelManager": "",
    "jobrunner.channels:ChannelManager.get_channel_by_name": "self channel_name "
    "autocreate=False parent_fallback=False",
    "jobrunner.channels:ChannelManager.notify": "self db_name channel_name uuid seq "
    "date_created priority eta state",
    "jobrunner.channels:ChannelManager.remove_job": "self uuid",
    "jobrunner.channels:ChannelManager.remove_db": "self db_name",
    "tests.common:OdooDocTestCase": "doctest_testcase optionflags=0 setUp=None "
    "tearDown=None checker=None seq=0",
    "tests.common:load_doctests": "module",
    "tests.common:trap_jobs": "",
    "tests.common:mock_with_delay": "",
    "tests.common:JobCounter": "env",
    "tests.common:JobMixin.perform_jobs": "self counter",
    "tests.common:JobsTrap.jobs_count": "self only=None",
    "tests.common:JobsTrap.assert_jobs_count": "self expected only=None",
    "tests.common:JobsTrap.assert_enqueued_job": "self method args=None kwargs=None "
    "properties=None",
}

#: module:class -> attributes which callers, subclasses and patches use
MEMBERS = {
    "job:Job": "uuid graph_uuid state retry max_retries args kwargs description func "
    "func_string model_name method_name job_function_name job_config "
    "on_fail_method_name priority date_created date_enqueued date_started date_done "
    "date_cancelled exec_time result exc_name exc_message exc_info user_id company_id "
    "eta recordset channel identity_key worker_pid env depends_on reverse_depends_on "
    "_depends_on _reverse_depends_on db_record store job_record_with_same_identity_key "
    "add_depends should_check_dependents enqueue_waiting cancel_dependent_jobs perform "
    "in_temporary_env set_enqueued set_started set_failed add_lock_record lock "
    "related_action",
    "delay:Delayable": "recordset _graph _job_method _job_args _job_kwargs "
    "_generated_job set on_done delay split _head _tail _build_job _execute_direct",
    "queue.job:": "EDIT_SENTINEL _removal_interval _protected_fields "
    "_default_related_action open_related_action open_graph_jobs button_done "
    "button_cancelled requeue _message_post_on_failure _subscribe_users_domain "
    "_subscribe_job_creator _message_failed_job _needaction_domain_get "
    "related_action_open_record _gc_old_jobs _test_on_fail",
    "controllers.main:RunJobController": "runjob create_test_job "
    "_create_single_test_job _create_graph_test_jobs TEST_GRAPH_MAX_PER_GROUP",
    "jobrunner.runner:QueueJobRunner": "from_environ_or_config get_db_names "
    "initialize_databases requeue_dead_jobs run_jobs process_notifications "
    "wait_notification stop run __del__",
    "jobrunner.runner:Database": "close keep_alive _query_requeue_dead_jobs "
    "requeue_dead_jobs",
    "jobrunner.channels:Channel": "fullname configure remove set_done set_pending "
    "set_running set_failed has_capacity get_jobs_to_run get_subchannel_by_name",
    "jobrunner.channels:ChannelManager": "parse_simple_config simple_configure "
    "get_channel_from_config get_jobs_to_run get_wakeup_time",
    "tests.common:JobMixin": "job_counter perform_jobs trap_jobs",
    "tests.common:JobCounter": "count_all count_created count_existing search_created "
    "search_all",
}

XML_IDS = """
privilege_queue_job module_category_queue_job group_queue_job_manager
queue_job_comp_rule access_queue_job_manager access_queue_job_lock_manager
access_queue_job_function_manager access_queue_job_channel_manager
access_queue_requeue_job access_queue_jobs_to_done access_queue_jobs_to_cancelled
view_queue_job_form view_queue_job_tree view_queue_job_pivot view_queue_job_graph
view_queue_job_search action_queue_job view_queue_job_channel_form
view_queue_job_channel_tree view_queue_job_channel_search action_queue_job_channel
view_queue_job_function_form view_queue_job_function_tree
view_queue_job_function_search action_queue_job_function view_requeue_job
action_requeue_job view_set_jobs_done action_set_jobs_done view_set_jobs_cancelled
action_set_jobs_cancelled menu_queue_job_root menu_queue menu_queue_job
menu_queue_job_channel menu_queue_job_function mt_job_failed channel_root
job_function_queue_job__test_job model_queue_job
""".split()

VALUES = {
    "job:STATES": [
        ("wait_dependencies", "Wait Dependencies"),
        ("pending", "Pending"),
        ("enqueued", "Enqueued"),
        ("started", "Started"),
        ("done", "Done"),
        ("cancelled", "Cancelled"),
        ("failed", "Failed"),
    ],
    "job:DEFAULT_PRIORITY": 10,
    "job:DEFAULT_MAX_RETRIES": 5,
    "job:RETRY_INTERVAL": 600,
    "controllers.main:PG_RETRY": 5,
    "controllers.main:DEPENDS_MAX_TRIES_ON_CONCURRENCY_FAILURE": 5,
    "controllers.main:RunJobController.TEST_GRAPH_MAX_PER_GROUP": 5,
    "jobrunner.runner:SELECT_TIMEOUT": 60,
    "jobrunner.runner:ERROR_RECOVERY_DELAY": 5,
    "jobrunner.runner:PG_ADVISORY_LOCK_ID": 2293787760715711918,
}


def module_of(name):
    return importlib.import_module(f"{ADDON}.{name}" if name else ADDON)


def find(path):
    """Return the object of "module:name.name"."""
    module, _colon, names = path.partition(":")
    found = module_of(module)
    for name in names.split("."):
        found = getattr(found, name)
    return found


def parameters(function):
    """Return the parameters of a function, those for positions first and as text."""
    found = inspect.signature(function).parameters.values()
    positional = [p for p in found if p.kind is p.POSITIONAL_OR_KEYWORD]
    others = [p for p in found if p not in positional]
    return positional, others


def as_text(parameter):
    if parameter.default is parameter.empty:
        return parameter.name
    return f"{parameter.name}={parameter.default!r}".replace("'", '"')


@tagged("post_install", "-at_install")
class TestPublicNames(TransactionCase):
    def test_names(self):
        for module, names in NAMES.items():
            for name in names.split():
                with self.subTest(module=module, name=name):
                    self.assertTrue(hasattr(module_of(module), name))

    def test_signatures(self):
        for path, expected in SIGNATURES.items():
            with self.subTest(path=path):
                self._check_signature(self._find(path), expected.split())

    def _check_signature(self, function, expected):
        """Compare names and defaults; what follows must be optional."""
        positional, others = parameters(function)
        self.assertEqual(list(map(as_text, positional[: len(expected)])), expected)
        for parameter in positional[len(expected) :] + others:
            is_open = parameter.kind in (
                parameter.VAR_KEYWORD,
                parameter.VAR_POSITIONAL,
            )
            has_default = parameter.default is not parameter.empty
            self.assertTrue(is_open or has_default, parameter)

    def _find(self, path):
        """Return an object of a module, or a method of the assembled model."""
        model, _colon, name = path.partition(":")
        if model in self.env:
            return getattr(self.env.registry[model], name)
        return find(path)

    def test_members(self):
        for path, names in MEMBERS.items():
            # attributes that are made in the constructor are looked up on an object
            owner = self._example(path)
            for name in names.split():
                with self.subTest(path=path, name=name):
                    self.assertTrue(hasattr(owner, name))

    def _example(self, path):
        if path == "job:Job":
            return Job(self.env.user.read)
        if path == "delay:Delayable":
            delayable = Delayable(self.env.user)
            delayable._generated_job = True  # it is not forgotten
            return delayable
        if path == "queue.job:":
            return self.env["queue.job"]
        return find(path)

    def test_values(self):
        for path, value in VALUES.items():
            with self.subTest(path=path):
                self.assertEqual(find(path), value)

    def test_xml_ids(self):
        for name in XML_IDS:
            with self.subTest(xml_id=name):
                self.assertTrue(self.env.ref(f"queue_job.{name}"))

    def test_the_action_is_read_by_other_code(self):
        action = self.env.ref("queue_job.action_queue_job").read()[0]
        self.assertEqual(action["type"], "ir.actions.act_window")
        self.assertEqual(action["res_model"], "queue.job")

    def test_types(self):
        controller = find("controllers.main:RunJobController")
        self.assertTrue(issubclass(controller, http.Controller))
        six = tuple(SIX.replace("=None", "").split())
        self.assertEqual(Delayable._properties, six)
        self.assertEqual(
            self.env["queue.job"]._job_prepare_context_before_enqueue_keys(),
            ("tz", "lang", "allowed_company_ids", "force_company", "active_test"),
        )
        fields = self.env["queue.job.function"].JobConfig._fields
        self.assertEqual(
            fields[:8],
            (
                "channel",
                "retry_pattern",
                "related_action_enable",
                "related_action_func_name",
                "related_action_kwargs",
                "job_function_id",
                "allow_commit",
                "on_fail_method_name",
            ),
        )
        self.assertIsInstance(DelayableGraph({}), find("delay:Graph"))

    def test_errors(self):
        parents = {
            "JobError": "BaseQueueJobError",
            "NoSuchJobError": "JobError",
            "FailedJobError": "JobError",
            "RetryableJobError": "JobError",
            "ChannelNotFound": "BaseQueueJobError",
        }
        for name, parent in parents.items():
            with self.subTest(error=name):
                error = find(f"exception:{name}")
                self.assertTrue(issubclass(error, find(f"exception:{parent}")))
        self.assertIs(
            find("jobrunner.channels:ChannelNotFound"),
            find("exception:ChannelNotFound"),
        )

    def test_class_methods(self):
        """They are called on the class, with the environment first."""
        controller = find("controllers.main:RunJobController")
        for name in (
            "_acquire_job",
            "_try_perform_job",
            "_enqueue_dependent_jobs",
            "_runjob",
            "_get_failure_values",
        ):
            with self.subTest(name=name):
                self.assertIsInstance(
                    inspect.getattr_static(controller, name), classmethod
                )

    def test_loggers(self):
        """Tests of others mute these, or look into them."""
        for name in ("utils", "controllers.main", "delay"):
            with self.subTest(logger=name):
                logger = module_of(name)._logger
                self.assertIs(logger, logging.getLogger(f"{ADDON}.{name}"))
