# Broch: the one entry. Everything is done by meson (C) and by the broch program (images).
#
#   make run     install what is needed, forge profile `node`, boot it under Secure Boot
#   make test    prove it

PROFILE ?= node
BUILD   ?= build
SECONDS ?= 60
BROCH    = $(BUILD)/src/programs/broch
ARGS    ?=

.DEFAULT_GOAL := help
.PHONY: help setup host run build test lint bench soak fuzz mutants install clean \
        kernel rootfs initramfs image sign qemu-run

help:
	@echo "make run                  forge profile '$(PROFILE)' and boot it under Secure Boot (Ctrl-A X leaves)"
	@echo "make test                 lint, unit tests, builds, tampered images in virtual machines"
	@echo "make build PROFILE=node   forge a profile into out/ (ARGS=... for broch build)"
	@echo "make lint                 style, layers, warnings of two compilers, sanitizers"
	@echo "make bench                the figures of docs/figures.md, measured here"
	@echo "make soak                 what takes longer than a test may"
	@echo "make fuzz SECONDS=60      each parser's fuzzer for that long"
	@echo "make mutants              do the tests notice small errors in src/org? (ARGS=--count N)"
	@echo "make install              broch and its pages for this host (PREFIX, DESTDIR)"
	@echo "make clean                remove build folders and out/ (the cache stays; see broch build --help)"
	@echo "classic names: kernel rootfs initramfs image sign qemu-run"

setup:
	@./setup.sh --yes

$(BUILD)/build.ninja:
	@log=$$(mktemp) && { meson setup $(BUILD) $(if $(PREFIX),--prefix=$(PREFIX)) >$$log 2>&1 \
		|| { cat $$log; rm -f $$log; exit 1; }; } && rm -f $$log

host: setup
	@$(MAKE) --no-print-directory $(BUILD)/build.ninja
	@ninja -C $(BUILD) --quiet

run: host
	@$(BROCH) build $(PROFILE) $(ARGS)
	@$(BROCH) run $(PROFILE)

build: host
	@$(BROCH) build $(PROFILE) $(ARGS)

test: host
	@python3 tests/run.py --build $(BUILD)

lint: host
	@tests/lint/compile build-lint $(BUILD)
	@python3 tests/lint/lint.py --build $(BUILD)

bench: host
	@python3 tests/bench/run.py --build $(BUILD) $(ARGS)

soak: host
	@python3 tests/soak/run.py --build $(BUILD) $(ARGS)

fuzz: setup
	@tests/fuzz/run $(SECONDS)

mutants: host
	@python3 tests/mutants/mutants.py --build build-mutants $(ARGS)

install: host
	@meson install -C $(BUILD) $(if $(DESTDIR),--destdir $(DESTDIR))

clean:
	@rm -rf $(BUILD) build-lint* build-fuzz build-mutants out

# The classic names of an image factory.
kernel: host
	@$(BROCH) build $(PROFILE) --until kernel
rootfs: host
	@$(BROCH) build $(PROFILE) --until rootfs
initramfs: host
	@$(BROCH) build $(PROFILE) --until initrd
image: host
	@$(BROCH) build $(PROFILE) --until system
sign: host
	@$(BROCH) build $(PROFILE) --until uki
qemu-run: host
	@$(BROCH) run $(PROFILE) $(ARGS)
