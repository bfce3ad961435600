# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
{
    "name": "Queue Jobs in the Portal",
    "summary": "Customers see the jobs that are meant for them",
    "version": "19.0.3.3.0",
    "author": "Queue Job maintainers",
    "development_status": "Beta",
    "license": "LGPL-3",
    "category": "Generic Modules",
    "depends": ["queue_job", "portal"],
    "data": ["views/portal_templates.xml"],
    "assets": {
        "web.assets_frontend": ["queue_job_portal/static/src/**/*"],
    },
    "installable": True,
    "auto_install": True,
}
