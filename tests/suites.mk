# The suites, each a program of its own with a control plane of its own. They wait more than they compute, so `make test` runs
# several at a time; what a suite prints is shown when it ends.

# Those that take minutes begin first, so that none of them is left over at the end.
LONG := tokens chaos economy scenarios flows
# The one in a browser has a target of its own, since not every machine has a browser.
SUITES := $(LONG) $(filter-out browser $(LONG),$(basename $(notdir $(wildcard tests/tests/*.rs))))

.PHONY: all $(SUITES)
all: $(SUITES)

$(SUITES):
	cargo test $(LOCKED) --workspace --no-fail-fast --test $@
