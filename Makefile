# make demo   the whole road on the synthetic subject, ends by naming one page
# make demo VIDEO=face.mp4 PROMPT="turn him into a bronze statue" PROFILE=laptop NAME=me
# make course  the exercises for students, with solutions and for instructors, into course/
# make site    the lessons, exercises, guide and reference as a site, into build/site/html
# make slides  the lessons as slides that need no network, into build/slides
# make space  the made-up cast as pages for any static host, into build/space
# make lab    JupyterLab on notebook 00
# make bench  speed of the renderers and training steps here, into benchmarks/results.md
# make budget where a step's time goes, into benchmarks/budget.md
# make test   all checks: lint, pytest, then the notebooks through nbval
# make lint   style, types, and that imports run downwards only: ruff, mypy, import-linter
# make test-long  what takes long: kills at scale, the wheel in empty environments
# make hostile  damaged and hostile files against every reader, and kills at random moments; HOURS=8 goes on for longer
# make audit  known vulnerabilities of the pinned packages, by pip-audit; needs the network
# make hashes data_manifest/packages.lock anew, after requirements.lock has changed; needs the network
# make viewer the browser's viewer bundled anew from stkit/viewers/src; needs node and npm
# make hooks  once per clone, for contributors: checks before each commit (pre-commit), notebooks committed without outputs
#             (nbstripout) and compared cell by cell (nbdime)

PYTHON ?= python3.11
VIDEO ?= synthetic
PROMPT ?= turn her into a clown
PROFILE ?= quick
NAME ?= demo
EDITOR_MODEL ?= paint
DRIVER ?=

ready := .venv/.ready

.PHONY: demo course site slides space lab test lint test-long hostile audit hashes viewer bench budget clean setup figures hooks

setup: $(ready)

$(ready): data_manifest/packages.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { echo "stkit needs Python 3.11: install it, or say make PYTHON=/path/to/python3.11"; exit 1; }
	test -x .venv/bin/python || $(PYTHON) -m venv .venv
	.venv/bin/python -m pip install -q --disable-pip-version-check -r data_manifest/packages.lock
	.venv/bin/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $(ready)

demo: $(ready)
	.venv/bin/stkit run "$(VIDEO)" --notebooks --name "$(NAME)" --profile "$(PROFILE)" --prompt "$(PROMPT)" --editor "$(EDITOR_MODEL)" $(if $(DRIVER),--driver "$(DRIVER)")

course: $(ready)
	.venv/bin/python -W ignore -m stkit.runs.course --folder course

site: $(ready)
	.venv/bin/python -W ignore -m stkit.runs.site --folder build/site

slides: $(ready)
	.venv/bin/python -W ignore -m stkit.runs.slides --folder build/slides

space: $(ready)
	.venv/bin/python -W ignore -m stkit.runs.showcase --folder build/space

lab: $(ready)
	.venv/bin/jupyter lab notebooks/00_start_here.ipynb

lint: $(ready)
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/lint-imports
	.venv/bin/mypy

test: $(ready) lint
	OMP_NUM_THREADS=1 STKIT_THREADS=1 .venv/bin/python -m pytest -q -n 2 --dist loadfile -m "not long" tests
	OMP_NUM_THREADS=1 STKIT_THREADS=1 STKIT_PROFILE=quick STKIT_RUNS="$(CURDIR)/runs/.nbval" .venv/bin/python -m pytest -q -n 2 --dist loadfile --nbval-lax --nbval-cell-timeout=600 --nbval-sanitize-with tests/nbval_sanitize.cfg -p no:warnings notebooks

test-long: $(ready)
	OMP_NUM_THREADS=1 STKIT_THREADS=1 .venv/bin/python -m pytest -v -m long tests

hostile: $(ready)
	OMP_NUM_THREADS=1 .venv/bin/python -W ignore -m tests.hostile --count 1000 $(if $(HOURS),--hours $(HOURS)) --write docs/results/hostile.json
	OMP_NUM_THREADS=1 STKIT_THREADS=1 .venv/bin/python -W ignore -m tests.hostile.kills --count 50 --write docs/results/kills.json

audit:
	$(PYTHON) -m venv build/audit
	build/audit/bin/python -m pip install -q pip-audit
	build/audit/bin/pip-audit --no-deps --disable-pip -r requirements.lock

hashes:
	$(PYTHON) data_manifest/write_hashes.py

viewer:
	cd stkit/viewers && npm ci && npm run lint && npm run build

# README's pictures, from: stkit run synthetic --name subject --profile laptop --driver synthetic:sami
figures: $(ready)
	.venv/bin/python benchmarks/figures.py subject

bench: $(ready)
	OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1} .venv/bin/python -W ignore benchmarks/bench.py --write

budget: $(ready)
	OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1} .venv/bin/python -W ignore benchmarks/budget.py

hooks: $(ready)
	.venv/bin/pre-commit install
	git config filter.nbstripout.clean '.venv/bin/python -m nbstripout --keep-count --keep-id'
	git config filter.nbstripout.smudge cat
	git config filter.nbstripout.required true
	git config diff.jupyternotebook.command '.venv/bin/git-nbdiffdriver diff'
	git config merge.jupyternotebook.driver '.venv/bin/git-nbmergedriver merge %O %A %B %L %P'

clean:
	rm -rf runs .pytest_cache build *.egg-info
