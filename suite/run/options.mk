# Written by `python -m suite.run.options`.
OPTION_VARIABLES := PROFILE ENCODER DATASET EXPERIMENT VARIANT SEED DEVICE DATA WEIGHTS CACHE CACHE_GB RUN ACCEPTED LIMIT PASS_SIZE SHARE_STREAM PROCESSES_PER_PROBE KEEP_OTHER_ENVIRONMENTS STRICT ALLOW_INCONCLUSIVE CLAIMS
OPTION_SWITCHES := SHARE_STREAM KEEP_OTHER_ENVIRONMENTS STRICT ALLOW_INCONCLUSIVE
OPTIONS_BUT_ENCODER = $(if $(PROFILE),--profile '$(PROFILE)') \
  $(if $(DATASET),--dataset '$(DATASET)') \
  $(if $(EXPERIMENT),--experiment '$(EXPERIMENT)') \
  $(if $(VARIANT),--variant '$(VARIANT)') \
  $(if $(SEED),--seed '$(SEED)') \
  $(if $(DEVICE),--device '$(DEVICE)') \
  $(if $(DATA),--data '$(DATA)') \
  $(if $(WEIGHTS),--weights '$(WEIGHTS)') \
  $(if $(CACHE),--cache '$(CACHE)') \
  $(if $(CACHE_GB),--cache-gb '$(CACHE_GB)') \
  $(if $(RUN),--run '$(RUN)') \
  $(if $(ACCEPTED),--accepted '$(ACCEPTED)') \
  $(if $(LIMIT),--limit '$(LIMIT)') \
  $(if $(PASS_SIZE),--pass-size '$(PASS_SIZE)') \
  $(call switch,SHARE_STREAM,--share-stream) \
  $(if $(PROCESSES_PER_PROBE),--processes-per-probe '$(PROCESSES_PER_PROBE)') \
  $(call switch,KEEP_OTHER_ENVIRONMENTS,--keep-other-environments) \
  $(call switch,STRICT,--strict) \
  $(call switch,ALLOW_INCONCLUSIVE,--allow-inconclusive) \
  $(if $(CLAIMS),--claims '$(CLAIMS)')
OPTIONS = $(if $(ENCODER),--encoder '$(ENCODER)') $(OPTIONS_BUT_ENCODER)
VERDICT_OPTIONS = $(call switch,STRICT,--strict) \
  $(call switch,ALLOW_INCONCLUSIVE,--allow-inconclusive) \
  $(if $(CLAIMS),--claims '$(CLAIMS)')
define OPTIONS_HELP
  PROFILE= ENCODER= DATASET= EXPERIMENT= VARIANT= SEED=
  DEVICE= DATA= WEIGHTS= CACHE= CACHE_GB= RUN=
  ACCEPTED= LIMIT= PASS_SIZE= SHARE_STREAM=1 PROCESSES_PER_PROBE= KEEP_OTHER_ENVIRONMENTS=1
  STRICT=1 ALLOW_INCONCLUSIVE=1 CLAIMS=
endef
export OPTIONS_HELP
