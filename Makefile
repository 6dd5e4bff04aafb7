# Plain `make` explains. Every target works on a fresh machine that has Python 3.11 to 3.13 and make.

# OPTIONS: what is passed through to `python -m suite`, where given; made from the suite's table of options
include suite/run/options.mk

SWITCHES  := $(OPTION_SWITCHES) ANNOTATIONS JOIN READ_ONLY ALONE CONFORMANCE DIFF CALIBRATE FULL LIST KEEP_ARCHIVES UPGRADE
VARIABLES := $(OPTION_VARIABLES) $(SWITCHES) PYTHON VENV WORKERS MAX_CRASHES SHARD RUNTIME IMAGE BESIDE NAME REASON BUDGET RATES DIGEST OUT AUTHOR \
             LICENSE NO_WORSE_THAN BY AT_LEAST A B RUNS CELL AGAINST CHECKPOINT PARTS METHODS WHAT NAMES BASE_IMAGE CA_BUNDLE PIP_CONF BUILD_NETWORK

# A variable counts where it is said on make's command line: NAME, DATA or SEED of the environment mean something else.
$(foreach name,$(VARIABLES),$(if $(filter environment%,$(origin $(name))),$(eval override undefine $(name))))

# What the environment tells pytest, pip, uv and Python is meant for other projects; only where packages come from, and
# what changes no result, is passed on.
MEANT_FOR_OTHERS := $(filter-out \
  PIP_INDEX_URL PIP_EXTRA_INDEX_URL PIP_NO_INDEX PIP_FIND_LINKS PIP_CONFIG_FILE PIP_KEYRING_PROVIDER PIP_TRUSTED_HOST \
  PIP_CERT PIP_CLIENT_CERT PIP_PROXY PIP_RETRIES PIP_TIMEOUT PIP_DEFAULT_TIMEOUT PIP_CACHE_DIR PIP_NO_CACHE_DIR \
  UV_DEFAULT_INDEX UV_INDEX UV_INDEX_% UV_EXTRA_INDEX_URL UV_KEYRING_PROVIDER UV_INSECURE_HOST UV_NATIVE_TLS \
  UV_SYSTEM_CERTS UV_HTTP_TIMEOUT UV_CACHE_DIR UV_NO_CACHE UV_OFFLINE \
  PYTHONPATH PYTHONUTF8 PYTHONIOENCODING PYTHONUNBUFFERED PYTHONHASHSEED PYTHONFAULTHANDLER PYTHONDONTWRITEBYTECODE \
  PYTHONPYCACHEPREFIX PYTHONNOUSERSITE, $(filter PYTEST_% PIP_% UV_% PYTHON%,$(.VARIABLES)))
$(foreach name,$(MEANT_FOR_OTHERS),$(if $(filter environment%,$(origin $(name))),$(eval unexport $(name))))

ON  := 1 yes true on Yes True On YES TRUE ON
OFF := 0 no false off No False Off NO FALSE OFF
# $(call switch,NAME,if on,if off): nothing where it is not given
switch = $(if $(strip $($1)),$(if $(filter $(ON),$($1)),$2,$3))
# $(call word_switch,NAME,if on): of a variable that is a switch here, and a word elsewhere
word_switch = $(if $(filter-out $(ON) $(OFF),$($1)),$(error $1=$($1): expected 1 or 0 here))$(call switch,$1,$2)
$(foreach name,$(SWITCHES),$(if $(filter-out $(ON) $(OFF),$($(name)))$(word 2,$($(name))),\
  $(error $(name)=$($(name)): expected 1 or 0 (yes, true, on, no, false and off are understood))))

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
SUITE  := $(BIN)/python -m suite
# for what imports nothing of a user's
PYTEST := env -u PYTHONPATH $(BIN)/python -m pytest
TESTS  := OMP_NUM_THREADS=1 $(PYTEST) -q -n auto --dist worksteal tests

WORKER_ARGS = $(if $(WORKERS),--workers '$(WORKERS)') $(if $(MAX_CRASHES),--max-crashes '$(MAX_CRASHES)')

# where several runs work at one request
SHARE_ARGS = $(call switch,JOIN,--join) $(if $(SHARD),--shard '$(SHARD)')

# for the verbs that can run in the container
RUNTIME_ARGS = $(if $(RUNTIME),--runtime $(RUNTIME)) $(if $(IMAGE),--image '$(IMAGE)') \
               $(call switch,READ_ONLY,,--no-read-only)

# empty where the environment's Python does not run (any more), `bare` where it is another and finds no packages
VENV_STATE := $(shell $(BIN)/python -I -c 'import importlib.util as i; print("whole" if i.find_spec("pip") else "bare")' 2>/dev/null)

.DEFAULT_GOAL := help
.PHONY: help doctor setup anew demo reproduce plan verify check accept record report merge status compare triage history render pretrain fetch prepare test test-slow test-all fuzz test-paper triage-proof lint format bench gpu-acceptance lock lock-check archive checks clean image ci-lint audit archive-check image-test slurm-test report-test docs

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20
	@echo
	@echo "  $$OPTIONS_HELP" | sed 's/^ */  /'
	@echo "  WORKERS= MAX_CRASHES= JOIN=1 SHARD=K/N (docs/reference/options.md tells each)"
	@echo "  RUNTIME=auto|container|apptainer|venv IMAGE=name READ_ONLY=0"
	@echo "  they count on make's command line, not in the environment; =1 switches on, =0 off"
	@echo "  exit codes of python -m suite: 0 reproduced, 1 deviates, 2 did not run or cannot be told, 3 wrong request, 4 fault of the suite"

# a recipe's first line: nothing of the suite runs on another Python
IS_PYTHON = $(PYTHON) -I -c 'import sys; sys.exit(sys.version_info[:2] not in {(3, 11), (3, 12), (3, 13)})' || \
  { echo "$(PYTHON) is not Python 3.11 to 3.13; pass PYTHON=python3.11"; exit 3; }

doctor: ## what is there of Python, disk, make, package index, Docker, GPU and driver, and what needs it; before setup, too
	@$(IS_PYTHON)
	@env -u PYTHONPATH $(PYTHON) -s -m suite.cli.doctor

setup: $(VENV)/.installed ## virtual environment from the hash-locked requirements

# packages that every run imports, as in the Dockerfile
IMPORTED := jinja2, matplotlib.pyplot, psutil, pycocotools.mask, pytest, scipy.stats, timm, xdist

# of what suite/run/steps.py counts, where a run comes after it
SETUP_STEP := $(if $(filter reproduce demo,$(MAKECMDGOALS)),[step 1 of 6] )

SETUP_NEEDS := requirements.lock $(if $(filter whole,$(VENV_STATE)),,anew)
ifndef SETUP_LOCKED
# two at once would install into each other's folder: the second waits, and then finds it done
$(VENV)/.installed: $(SETUP_NEEDS)
	@mkdir -p $(VENV); exec 9>>$(VENV)/.lock; flock -n 9 2>/dev/null; \
	if test $$? = 1; then echo "$(VENV): another make installs into it; waiting" >&2; flock 9; fi; \
	$(MAKE) --no-print-directory SETUP_LOCKED=1 SETUP_STEP='$(SETUP_STEP)' $@
else
$(VENV)/.installed: $(SETUP_NEEDS)
	$(IS_PYTHON)
	@rm -f $@ $(if $(VENV_STATE),,$(if $(wildcard $(VENV)/pyvenv.cfg),$(BIN)/python $(BIN)/python3 $(BIN)/python3.*))
	@echo "$(SETUP_STEP)set-up, once: $$(grep -c '==' $<) packages of requirements.lock into $(VENV), 6 GB: minutes, most of them download"
	@$(PYTHON) -I -m venv $(VENV)
	@# pip's own progress where somebody watches
	@quiet=--quiet; if [ -t 1 ]; then quiet=; fi; \
	PIP_USER=0 PIP_DRY_RUN=0 $(BIN)/python -I -m pip install $$quiet --disable-pip-version-check --no-compile --no-deps \
	  --require-hashes -r requirements.lock
	@$(BIN)/python -I suite/verification/installed.py requirements.lock
	@# compiled now, once: where PYTHONDONTWRITEBYTECODE is set, every process would do it anew, seconds each
	@$(BIN)/python -I -c 'import $(IMPORTED)' 2>/dev/null || true
	@touch $@
endif

anew:

demo: ENCODER := dino
demo: EXPERIMENT := part_retrieval,part_classification
demo: RUN := runs/demo
demo: reproduce ## reproduce ENCODER=dino EXPERIMENT=part_retrieval,part_classification RUN=runs/demo: under a minute on two cores

reproduce: setup ## run the experiments and write the report (the embedded mini study by default)
	@$(SUITE) reproduce $(OPTIONS) $(WORKER_ARGS) $(SHARE_ARGS) $(RUNTIME_ARGS)

check: setup ## put new encoders beside the seven: ENCODER=timm:NAME@FILE or module:factory, several with commas or @LIST; BESIDE= ALONE=1 CONFORMANCE=1 NO_WORSE_THAN= BY= AT_LEAST=
	@$(SUITE) check '$(ENCODER)' $(if $(BESIDE),--encoder '$(BESIDE)') $(call switch,ALONE,--alone) \
	  $(call switch,CONFORMANCE,--conformance-only) \
	  $(if $(NO_WORSE_THAN),--no-worse-than '$(NO_WORSE_THAN)') $(if $(BY),--by '$(BY)') \
	  $(if $(AT_LEAST),--at-least '$(AT_LEAST)') $(OPTIONS_BUT_ENCODER) $(WORKER_ARGS) $(RUNTIME_ARGS)

accept: setup ## hold later runs on this device, or of a new encoder, against this one: RUN=runs/name REASON='why' NAME= ACCEPTED= AT_LEAST=1 DIFF=1
	@$(SUITE) accept '$(RUN)' $(if $(NAME),--name '$(NAME)') $(call word_switch,AT_LEAST,--at-least) \
	  $(if $(ACCEPTED),--accepted '$(ACCEPTED)') $(call switch,DIFF,--diff) --reason '$(REASON)'

plan: setup ## what a run needs and costs: data, weights, hours on this device, memory, disk: BUDGET=8h CALIBRATE=1|0 RATES=
	@$(SUITE) plan $(OPTIONS) $(WORKER_ARGS) $(if $(BUDGET),--budget '$(BUDGET)') \
	  $(if $(RATES),--rates '$(RATES)') $(call switch,CALIBRATE,--calibrate,--no-calibrate)

verify: setup ## are the data what they should be? PROFILE=paper DATASET=cub200,coco FULL=1; or a run: RUN=runs/mini DIGEST=
	@$(SUITE) verify $(if $(RUN),'$(RUN)' $(if $(DIGEST),--digest '$(DIGEST)'),data) $(DATASET) $(if $(PROFILE),--profile $(PROFILE)) \
	  $(if $(DATA),--data '$(DATA)') $(call switch,FULL,--full) $(call switch,STRICT,--strict)

checks: setup ## is this the declared environment, and are the data what they should be? PROFILE= DATASET= FULL=1 STRICT=1
	@$(PYTEST) -q checks $(if $(PROFILE),--profile $(PROFILE)) $(if $(DATASET),--dataset $(DATASET)) \
	  $(if $(DATA),--data '$(DATA)') $(call switch,FULL,--full) $(call switch,STRICT,--strict)

archive: setup ## a run and what made it as one zip, an RO-Crate: RUN=runs/mini OUT= AUTHOR= LICENSE=
	@$(SUITE) archive $(if $(RUN),'$(RUN)',runs/mini) $(if $(OUT),--out '$(OUT)') $(if $(AUTHOR),--author '$(AUTHOR)') \
	  $(if $(LICENSE),--license '$(LICENSE)')

record: setup ## measure the mini study over five seeds and rewrite expected/mini: REASON='why'
	@$(SUITE) record $(OPTIONS) $(WORKER_ARGS) --reason '$(REASON)'

report: setup ## judge a run again and rewrite its report: RUN=runs/mini ANNOTATIONS=1 for GitHub's workflow commands
	@$(SUITE) report $(if $(RUN),'$(RUN)',runs/mini) $(call switch,ANNOTATIONS,--annotations) $(VERDICT_OPTIONS)

merge: setup ## join run folders of shards (SHARD=K/N) that have no common disk, and judge them: OUT=runs/x PARTS="a b"
	@$(SUITE) merge '$(OUT)' $(PARTS) $(VERDICT_OPTIONS)

status: setup ## how far is a run? groups done, running, lost, waiting, and the time left: RUN=runs/mini
	@$(SUITE) status $(if $(RUN),'$(RUN)',runs/mini)

compare: setup ## what changed between two runs, cell by cell, image by image: A=runs/x B=runs/y; more of them: RUNS="c d" OUT=page.html
	@$(SUITE) compare '$(A)' '$(B)' $(RUNS) $(if $(OUT),--page '$(OUT)')

history: setup ## every cell over all runs of a folder, in one page: RUNS=runs OUT=
	@$(SUITE) history $(if $(RUNS),'$(RUNS)') $(if $(OUT),--out '$(OUT)')

triage: setup ## why do cells differ? tries variants and usual mistakes, the cheapest first: RUN=runs/mini CELL= AGAINST=runs/y CHECKPOINT= BUDGET=2h SHARD=K/N
	@$(SUITE) triage $(if $(RUN),'$(RUN)',runs/mini) $(if $(CELL),--cell '$(CELL)') $(if $(AGAINST),--against '$(AGAINST)') \
	  $(if $(CHECKPOINT),--checkpoint '$(CHECKPOINT)') $(if $(BUDGET),--budget '$(BUDGET)') \
	  $(if $(SHARD),--shard '$(SHARD)') $(if $(WORKERS),--workers '$(WORKERS)')

render: setup ## draw the mini study's datasets
	@$(SUITE) render $(if $(DATA),--data '$(DATA)')

pretrain: setup ## train the mini study's encoders again: METHODS="dino mae"
	@$(SUITE) pretrain $(METHODS) $(if $(DEVICE),--device $(DEVICE))

fetch: setup ## official files, checked: WHAT=weights|data NAMES="dino mae" LIST=1
	@$(SUITE) fetch $(WHAT) $(NAMES) $(call switch,LIST,--list) $(call switch,KEEP_ARCHIVES,--keep-archives) \
	  $(if $(filter weights,$(WHAT)),$(if $(WEIGHTS),--weights '$(WEIGHTS)')) \
	  $(if $(filter data,$(WHAT)),$(if $(DATA),--data '$(DATA)'))

prepare: setup ## make the processed segmentation sets from the originals: NAMES="pascal_part lip" (docs/how-to/preparing.md)
	@$(SUITE) prepare $(NAMES) $(if $(DATA),--data '$(DATA)') $(if $(WORKERS),--workers $(WORKERS))

test: setup ## is our code right? all but what is marked slow, under five minutes on two cores
	@$(TESTS) -m 'not slow'

test-slow: setup ## the rest: kills, full disks, faults put in, whole runs; with make test, every test once
	@$(TESTS) -m slow

test-all: test test-slow ## every test

fuzz: setup ## damaged files of every kind, 2,000 each, through readers and verbs: long; `make test-slow` has 60
	@FUZZ_CASES=2000 OMP_NUM_THREADS=1 $(PYTEST) -q -n auto --dist worksteal tests/fuzz

test-paper: setup ## seven ViT-B encoders through every experiment on look-alike files: about an hour
	@PAPER_SCALE=1 $(PYTEST) tests/experiments/test_paper_scale.py -n 0

triage-proof: setup ## does triage name the fault that was put in? about half an hour; writes docs/evidence/triage.md
	@OMP_NUM_THREADS=1 $(BIN)/python -m tests.support.triage_proof

lint: setup ## ruff and mypy
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

format: setup ## let ruff rewrite
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format .

bench: setup ## measured cost of the hot parts
	@$(PYTEST) -q benchmarks --benchmark-enable --benchmark-only

gpu-acceptance: setup ## try this machine's GPU, 20 minutes at most: benchmarks/results/gpu_*.json and a page: BUDGET=20m OUT=
	@$(SUITE) gpu-acceptance $(if $(OUT),--out '$(OUT)') $(if $(BUDGET),--budget '$(BUDGET)') $(RUNTIME_ARGS)

lock: $(VENV)/uv/bin/uv ## resolve pyproject.toml again into requirements.lock and sbom.json: UPGRADE=1 for newer versions
	@env -u PIP_FIND_LINKS $< pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-config \
	  --all-extras $(call switch,UPGRADE,--upgrade) pyproject.toml -o requirements.lock
	@env -u PIP_FIND_LINKS $< pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-config \
	  $(call switch,UPGRADE,--upgrade) .ci/site/requirements.in -o .ci/site/requirements.lock
	@env -u PIP_FIND_LINKS $< pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-config \
	  $(call switch,UPGRADE,--upgrade) --overrides .ci/lint/overrides.txt .ci/lint/requirements.in -o .ci/lint/requirements.lock
	@env -u PIP_FIND_LINKS $< pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-config \
	  $(call switch,UPGRADE,--upgrade) .ci/crate/requirements.in -o .ci/crate/requirements.lock
	@$(MAKE) --no-print-directory setup
	@$(BIN)/python -m suite.archive.sbom

lock-check: $(VENV)/uv/bin/uv ## does the lock install on Python 3.11 to 3.13? asks the package index, installs nothing
	@.ci/lock-check $<

$(VENV)/uv/bin/uv:
	@$(PYTHON) -m venv $(VENV)/uv && $(VENV)/uv/bin/pip install --quiet --disable-pip-version-check 'uv==0.13.*'

image: setup ## build the container's image: BASE_IMAGE= CA_BUNDLE= PIP_CONF= BUILD_NETWORK=
	@$(SUITE) image build $(if $(IMAGE),--image '$(IMAGE)') $(if $(BASE_IMAGE),--base '$(BASE_IMAGE)') \
	  $(if $(CA_BUNDLE),--ca-bundle '$(CA_BUNDLE)') $(if $(PIP_CONF),--pip-conf '$(PIP_CONF)') \
	  $(if $(BUILD_NETWORK),--network $(BUILD_NETWORK))

ci-lint: $(VENV)/lint/.installed ## zizmor, actionlint, shellcheck, hadolint, schemas of GitHub and GitLab, metadata and citation; Node.js 20 and npm
	@.ci/lint/run $(VENV)/lint

audit: $(VENV)/lint/.installed ## licences of the lock, and its known vulnerabilities (pip-audit, asks the package index)
	@$(PYTHON) -I .ci/licences.py
	@$(VENV)/lint/bin/pip-audit --requirement requirements.lock --no-deps --disable-pip --progress-spinner off

$(VENV)/lint/.installed: .ci/lint/requirements.lock
	@$(IS_PYTHON)
	@$(PYTHON) -I -m venv $(VENV)/lint && $(VENV)/lint/bin/pip install --quiet --disable-pip-version-check --no-deps \
	  --require-hashes -r $< && touch $@

archive-check: $(VENV)/crate/.installed ## does an independent validator take an archive for an RO-Crate? OUT=runs/mini.crate.zip; asks no network
	@$(VENV)/crate/bin/python -I .ci/crate/validate '$(if $(OUT),$(OUT),runs/mini.crate.zip)'

$(VENV)/crate/.installed: .ci/crate/requirements.lock
	@$(IS_PYTHON)
	@$(PYTHON) -I -m venv $(VENV)/crate && $(VENV)/crate/bin/pip install --quiet --disable-pip-version-check --no-deps \
	  --require-hashes -r $< && touch $@

image-test: setup ## the container for real, on a stand-in base, against the virtual environment; root, Debian, 20 GB
	@$(BIN)/python -m pytest -v -rP tests/container_real

slurm-test: setup ## a real Slurm on loopback: same bits, requeues, kills, cancellations; root on Debian
	@.ci/slurm-test $(BIN)/python

report-test: setup ## the report in Chromium: valid, readable in both themes, on a narrow screen, used; root on Debian, or Chromium and npm
	@.ci/browser
	@$(PYTEST) -q tests/report_in_browser

docs: $(VENV)/docs/.installed ## docs/ as a site, with the report of runs/mini where there is one: OUT=site; a link that leads nowhere is an error
	@# not --quiet: no warning would count then
	@NO_MKDOCS_2_WARNING=1 env -u PYTHONPATH $(VENV)/docs/bin/mkdocs build $(if $(OUT),--site-dir '$(abspath $(OUT))')

$(VENV)/docs/.installed: .ci/site/requirements.lock
	@$(IS_PYTHON)
	@$(PYTHON) -I -m venv $(VENV)/docs && $(VENV)/docs/bin/pip install --quiet --disable-pip-version-check --no-deps \
	  --require-hashes -r $< && touch $@

clean: ## remove caches and rendered data; runs/ stays
	rm -rf cache data/mini .pytest_cache .mypy_cache .ruff_cache .benchmarks
