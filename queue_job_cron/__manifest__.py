# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
{
    "name": "Scheduled Actions as Queue Jobs",
    "summary": "Let scheduled actions run through the job queue",
    "version": "19.0.3.3.0",
    "author": "Queue Job maintainers",
    "development_status": "Beta",
    "license": "LGPL-3",
    "category": "Generic Modules",
    "depends": ["queue_job"],
    "data": ["data/data.xml", "views/ir_cron_view.xml"],
    "installable": True,
}
