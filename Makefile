# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
# Everything is done by the program in setup/; this file gives it short names.
PYTHON ?= python3
SETUP = PYTHONDONTWRITEBYTECODE=1 $(PYTHON) -m setup

.DEFAULT_GOAL := help
.PHONY: help prepare run shell test lint format counts bench chaos deploy-test docs changelog pot screenshots wheels clean

help: ## show this help
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 23

prepare: ## fetch and build all that the other commands need
	@$(SETUP) prepare

run: ## run Odoo behind nginx, with jobs to look at (CSV=file ONCE=1 WORKERS=4 PORT=8069)
	@CSV='$(CSV)' ONCE='$(ONCE)' WORKERS='$(WORKERS)' PORT='$(PORT)' $(SETUP) run

shell: ## a Python shell on the database of the running `make run`
	@$(SETUP) shell

test: ## run all checks and tests (PARTS="lint unit odoo property e2e alone chaos hostile" for some)
	@PARTS='$(PARTS)' $(SETUP) test

lint: ## run the linters over all files
	@$(SETUP) lint

format: ## let the formatters rewrite the files
	@$(SETUP) format

counts: ## count files, pairs, lines, tables, docstrings (ARGS="-v 94b9436" for a commit)
	@$(SETUP) counts $(ARGS)

bench: ## measure (QUICK=1 for a short run, ARGS="..." for the program's options)
	@$(SETUP) bench $(if $(QUICK),--quick) $(ARGS)

chaos: ## kill things under load and look whether all is well (ARGS="..." for pytest)
	@$(SETUP) chaos $(ARGS)

deploy-test: ## try the deployment guides: nginx, HAProxy, wheels (ARGS="..." for pytest)
	@$(SETUP) deploy-test $(ARGS)

docs: ## write what is generated: API, configuration, requirements, READMEs of the addons
	@$(SETUP) docs

changelog: ## print the changes since the last release (VERSION=... moves them into CHANGELOG.md)
	@VERSION='$(VERSION)' $(SETUP) changelog

pot: ## export the texts to translate, and bring the translations in line
	@$(SETUP) pot

screenshots: ## take the pictures of docs/pictures (ONLY="dashboard graph" for some)
	@ONLY='$(ONLY)' $(SETUP) screenshots

wheels: ## build each addon as a wheel into build/wheels
	@$(SETUP) wheels

clean: ## remove build/
	@$(SETUP) clean
