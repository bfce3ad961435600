# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
{
    "name": "Queue Job Tests",
    "summary": "Models, data and integration tests of the job queue",
    "version": "19.0.3.3.0",
    "author": "Queue Job maintainers",
    "development_status": "Beta",
    "license": "LGPL-3",
    "category": "Hidden/Tests",
    "depends": ["queue_job"],
    "data": [
        "security/ir.model.access.csv",
        "data/queue_job_channel_data.xml",
        "data/queue_job_function_data.xml",
        "data/queue_job_test_job.xml",
        "data/hostile_function_data.xml",
        "views/contact_import_views.xml",
    ],
    "installable": True,
}
