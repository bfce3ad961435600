# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
{
    "name": "Job Queue",
    "summary": "Run any method of any model as a background job",
    "version": "19.0.3.0.0",
    "author": "Queue Job maintainers",
    "website": "https://github.com/queue-job/queue",
    "license": "LGPL-3",
    "category": "Generic Modules",
    "depends": ["mail", "base_sparse_field", "web"],
    "external_dependencies": {"python": ["requests"]},
    "data": [
        "security/security.xml",
        "security/ir.model.access.csv",
        "views/queue_job_views.xml",
        "views/queue_job_channel_views.xml",
        "views/queue_job_function_views.xml",
        "wizards/queue_jobs_to_done_views.xml",
        "wizards/queue_jobs_to_cancelled_views.xml",
        "wizards/queue_requeue_job_views.xml",
        "views/queue_job_menus.xml",
        "data/queue_data.xml",
        "data/queue_job_function_data.xml",
    ],
    "assets": {
        "web.assets_backend": ["queue_job/static/src/**/*"],
        # Loaded when the first graph is shown.
        "queue_job.dagre_lib": ["queue_job/static/lib/dagre/dagre.min.js"],
        "web.assets_unit_tests": ["queue_job/static/tests/**/*.test.js"],
        "web.assets_tests": ["queue_job/static/tests/tours/**/*.js"],
    },
    "installable": True,
    "post_init_hook": "post_init_hook",
}
