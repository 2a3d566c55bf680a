# `make` alone lists the targets.

GO ?= go
STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2

# Commands that the tests need, and their Debian packages. As root, `make test` installs
# the missing ones.
NEEDS = gcc:gcc mkfs.ext4:e2fsprogs mkfs.xfs:xfsprogs mkfs.btrfs:btrfs-progs losetup:mount mount:mount findmnt:util-linux fio:fio qemu-system-x86_64:qemu-system-x86 qemu-aarch64-static:qemu-user-static chromium:chromium clang:clang llvm-strip:llvm
HEADERS = stdlib.h:libc6-dev isa-l/crc.h:libisal-dev

.DEFAULT_GOAL := help
.PHONY: help build evaluate prove test deps generated vet lint unit unit-all unit-calls race portable load load-cases load-watched load-ring load-calls adoption kernels bench bench-crc fuzz man install clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

build: ## build the program as bin/stablewrite
	CGO_ENABLED=0 $(GO) build -o bin/stablewrite ./cmd/stablewrite

evaluate: ## run the evaluation here, about six minutes
	$(GO) run ./cmd/stablewrite evaluate

prove: ## run the full proof inside stock kernels, about an hour on two cores
	$(GO) run ./cmd/stablewrite prove

# Targets that leave a processor idle now and then; the output of each stays together.
SIDE_BY_SIDE = $(MAKE) --no-print-directory -j4 --output-sync=target

test: ## everything that must hold; .ci/run calls it
	$(MAKE) --no-print-directory -j1 deps generated vet lint unit race portable load
	$(SIDE_BY_SIDE) adoption kernels

deps: ## install the Debian packages that the tests need, or name them
	@missing=; for need in $(NEEDS); do \
		PATH=$$PATH:/usr/sbin:/sbin command -v $${need%%:*} >/dev/null || missing="$$missing $${need##*:}"; \
	done; \
	for need in $(HEADERS); do \
		[ -e /usr/include/$${need%%:*} ] || missing="$$missing $${need##*:}"; \
	done; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then \
		echo "make test: not installed, and some tests need them:$$missing" >&2; exit 0; \
	fi; \
	apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $$missing

generated: ## generated files equal the output of their generators
	cd crcguard/_asm && $(GO) vet ./... && $(GO) test ./... && $(GO) mod tidy -diff && $(GO) run $(STATICCHECK) ./...
	@made=$$(mktemp -d) && trap 'rm -r "$$made"' EXIT && \
		(cd crcguard/_asm && $(GO) run . -out "$$made/blocks_amd64.s" -stubs "$$made/blocks_amd64.go" -pkg crcguard) && \
		for f in blocks_amd64.go blocks_amd64.s; do tail -n +2 "$$made/$$f" >"$$made/made"; \
		tail -n +2 "crcguard/$$f" | cmp "$$made/made" - || { echo "crcguard/$$f is not the output of crcguard/_asm: go generate ./crcguard" >&2; exit 1; }; done
	@object=bench/watch/watch.bpf.o; made=$$(grep -ao 'clang [0-9][0-9.]*' $$object); have=$$(clang -dumpversion 2>/dev/null); \
		if [ "$$made" != "clang $$have" ]; then \
		echo "$$object was not compared: that needs $$made, and this machine has version $${have:-none}" >&2; [ "$$STABLEPAGES_REQUIRE" != all ]; exit; fi; \
		made=$$(mktemp -d) && trap 'rm -r "$$made"' EXIT && sh bench/watch/bpf/make.sh "$$made/object" && cmp "$$made/object" $$object || \
		{ echo "$$object is not the output of bench/watch/bpf: go generate ./bench/watch" >&2; exit 1; }

vet: ## go vet for every platform that compiles, and a tidy tree
	$(GO) vet ./...
	GOOS=linux GOARCH=arm64 $(GO) vet ./...
	GOOS=linux GOARCH=386 $(GO) vet ./stablewrite ./stablewrite/internal/ring ./crcguard
	GOOS=darwin $(GO) vet ./...
	GOOS=windows $(GO) vet ./...
	$(GO) mod tidy -diff
	@dirty=$$(gofmt -l .); if [ -n "$$dirty" ]; then echo "gofmt would change: $$dirty" >&2; exit 1; fi

lint: ## staticcheck
	$(GO) run $(STATICCHECK) ./...

# -count=1: these tests depend on the machine, so their results are not cached.
# -p 4: most tests wait for the disk, so two processors are busy with four packages.

TEST = PATH=$$PATH:/usr/sbin:/sbin $(GO) test -count=1 -p 4
RACE_TEST = CGO_ENABLED=1 $(TEST) -race -tags invariants

# Tests that try a sample of many cases, or no whole run of the program, unless
# STABLEPAGES_LOAD is set. load runs them in full.
EXPLORATIONS = ^TestPROMISESShows|^TestEverySchedule|^TestOrdersThatCommute|^TestTheModelOf
WHOLE_RUNS = ^TestCommandLineO(fWholeRuns|nMounts)$$
CHECKSUMS = ^TestDigestsDiffer|^TestSumsAreOfTheCopy|^TestAGuard|^TestGuardFinds|AtEveryLength|^TestNothingBeside

unit: ## all tests in short, those of the library on both engines
	$(SIDE_BY_SIDE) unit-all unit-calls

unit-all: # the longest first, so that others run beside them
	$(TEST) ./stablewrite ./cmd/stablewrite ./...

unit-calls:
	STABLEPAGES_ENGINE=calls $(TEST) -skip '$(EXPLORATIONS)' ./stablewrite

# Packages in which goroutines share memory. The race detector sees neither other processes
# nor the media, so tests of kills, of file systems and of the program's output are left out,
# and those of the program as users build it.
RACES = ./stablewrite/... ./bench/cost ./bench/guard ./bench/kernel ./bench/mutator ./bench/prove ./bench/repro ./bench/watch ./cmd/stablewrite
OF_ONE_GOROUTINE = $(EXPLORATIONS)|^TestAnArenaAgainstAModel$$|Kill$$|FileSystem$$|^TestASuccessorsWritesSurvive$$|^TestADiskFull|^TestLargeSectors$$|^TestIdleFiles|NeedNoThreadOfTheKernel$$
AS_BUILT = ^TestRunKeeps|AtAnyMomentIsNoFailure$$|^TestTheModule|^TestImports|^TestTheLibraryNeeds
PRINTS = ^TestCommandLine$$/^(repro|probe|report|usage|help|bad_input)$$|^TestCommandLineOfWatch$$|ForTerminals$$|OnATerminalOnly$$|^TestWhatEachStrategyPromisesHolds$$

race: ## tests in which goroutines share memory, under the race detector, with poisoned memory
	$(RACE_TEST) -skip '$(OF_ONE_GOROUTINE)|$(AS_BUILT)|$(PRINTS)' $(RACES)
	$(RACE_TEST) -run 'Race' ./crcguard

portable: deps ## the checksums without assembly, and on an emulated arm64; the program that compares them with others
	$(GO) vet -tags purego ./crcguard ./stablewrite && $(GO) test -tags purego -count=1 ./crcguard
	CGO_ENABLED=0 GOARCH=arm64 $(GO) test -exec qemu-aarch64-static -count=1 -short -skip 'FallsBack|AnotherProcess' ./crcguard
	cd crcguard/_peers && $(GO) vet ./... && $(GO) mod tidy -diff && $(GO) run $(STATICCHECK) ./...
	cd crcguard/_peers && $(GO) run . -rounds 6 -ring 16777216 -sizes 65536 -cores 1 >/dev/null

LOAD ?= 10s
load-cases load-watched load-ring load-calls: export STABLEPAGES_LOAD = $(LOAD)

load: ## every schedule, checksum and whole run; many writers in two processes on each engine; a million writes, watched
	$(SIDE_BY_SIDE) load-cases load-watched load-ring load-calls

load-cases:
	$(TEST) -timeout 15m -run '$(CHECKSUMS)|$(EXPLORATIONS)|$(WHOLE_RUNS)' ./crcguard ./stablewrite ./cmd/stablewrite

load-watched:
	$(TEST) -timeout 15m -run '^TestLoad$$' -v ./bench/watch

load-ring:
	$(RACE_TEST) -timeout 15m -run '^TestLoad$$|^TestTrackingHolds' -v ./stablewrite

load-calls:
	STABLEPAGES_ENGINE=calls $(RACE_TEST) -timeout 15m -run '^TestLoad$$' -v ./stablewrite

adoption: ## bbolt's tests, and kills of a writer, with bbolt's file written through stablewrite
	cd stablewrite/_examples/bbolt && $(GO) vet ./... && $(GO) mod tidy -diff && $(GO) run $(STATICCHECK) ./...
	cd stablewrite/_examples/bbolt && $(GO) test -count=1 -timeout 20m -parallel 3 -v .

kernels: ## the short proof: boots stock kernels in QEMU, downloads them once
	PATH=$$PATH:/usr/sbin:/sbin STABLEPAGES_KERNELS=1 $(GO) test -count=1 -timeout 20m -run 'Kernel' -p 1 ./bench/kernel ./cmd/stablewrite

bench: ## benchmarks of the checksums, of the cost of a write, and of strategies
	$(GO) test -run '^$$' -bench . ./crcguard
	$(GO) test -run '^$$' -bench 'Nothing|Amplification' ./stablewrite
	$(GO) run ./cmd/stablewrite bench --target null --sizes 4k,64k,1M
	$(GO) run ./cmd/stablewrite bench

bench-crc: deps ## the checksums beside ISA-L, memcpy and plain reading, in one process: about ten minutes
	cd crcguard/_peers && for kernel in avx512 sse42 portable; do CRCGUARD_KERNEL=$$kernel $(GO) run . || exit; done

fuzz: ## fuzz each target for half a minute
	$(GO) test -run '^$$' -fuzz FuzzSums -fuzztime 30s ./crcguard
	$(GO) test -run '^$$' -fuzz FuzzGuard -fuzztime 30s ./crcguard
	$(GO) test -run '^$$' -fuzz FuzzReadLog -fuzztime 30s ./bench/victim
	$(GO) test -run '^$$' -fuzz 'FuzzRead$$' -fuzztime 30s -fuzzminimizetime 20x ./bench/report

man install: export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null)

man: ## write the man pages to man
	$(GO) run ./cmd/stablewrite man man

PREFIX ?= /usr/local

install: build ## install the program, its man pages and completions below PREFIX, /usr/local if not given
	install -D -t $(DESTDIR)$(PREFIX)/bin bin/stablewrite
	bin/stablewrite man $(DESTDIR)$(PREFIX)/share/man/man1
	install -d $(DESTDIR)$(PREFIX)/share/bash-completion/completions $(DESTDIR)$(PREFIX)/share/zsh/site-functions $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
	bin/stablewrite completion bash >$(DESTDIR)$(PREFIX)/share/bash-completion/completions/stablewrite
	bin/stablewrite completion zsh >$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_stablewrite
	bin/stablewrite completion fish >$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/stablewrite.fish

clean: ## remove what make built
	rm -rf bin man
