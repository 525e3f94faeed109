# Everything there is to know: `make` lists the targets.
SHELL       := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VAUBAN_DATA ?= /var/lib/vauban
export VAUBAN_DATA
VAUBAN := bin/vauban

# Debian's packages: what the cloud runs on, what builds its images, what the tests need besides.
RUN_PACKAGES   := qemu-system-x86 qemu-utils nftables iproute2 openssh-client util-linux
IMAGE_PACKAGES := $(shell cat image/packages.txt)
TEST_PACKAGES  := postgresql awscli python3-boto3 python3 busybox iputils-ping rclone restic s3cmd barman-cli-cloud

CEPH_PACKAGES  := ceph-mon ceph-osd ceph-mgr ceph-common qemu-block-extra

GOLANGCI_LINT := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
GOVULNCHECK   := golang.org/x/vuln/cmd/govulncheck@v1.9.0

## up: set everything up, start the cloud, build its images, launch a first guest
.PHONY: up
up: deps build
	@$(VAUBAN) up --detach
	@$(VAUBAN) image build vauban-tiny debian-12
	@$(VAUBAN) first-guest

## down: shut the guests down and stop the cloud; `make up` brings everything back
.PHONY: down
down: build
	@$(VAUBAN) down

## build: build bin/vauban, one static binary
.PHONY: build
build:
	@CGO_ENABLED=0 go build -trimpath -buildvcs=auto -o $(VAUBAN) ./cmd/vauban

## test: install what the tests need, and pass every one of them
.PHONY: test
test: deps deps-test
	@scripts/test

## e2e: also the slow end-to-end tests, with full Debian guests
.PHONY: e2e
e2e: deps deps-test build
	@VAUBAN_SLOW=1 go test -count=1 -timeout 60m ./image/... ./test/...

## test-ceph: what is about volumes in a Ceph pool, on a small cluster of its own
.PHONY: test-ceph
test-ceph: deps deps-test
	@scripts/install $(CEPH_PACKAGES)
	@VAUBAN_CEPH=1 go test -count=1 -timeout 40m -p 1 ./driver/block/rbd
	@VAUBAN_CEPH=1 go test -count=1 -timeout 40m -run '^TestCeph' ./test/e2e

## bench: measure speed and memory against the goals, as a table with ratios
.PHONY: bench
bench: deps deps-test build
	@VAUBAN_TEST_BINARY=$(abspath $(VAUBAN)) go run ./test/bench

## lint: formatting, linters, known vulnerabilities
.PHONY: lint
lint:
	@test -z "$$(gofmt -l . | tee /dev/stderr)"
	@go vet ./...
	@go run $(GOLANGCI_LINT) run ./...
	@scripts/vulncheck $(GOVULNCHECK)

## gen: write the generated code and docs anew; a second run changes nothing
.PHONY: gen
gen:
	@command -v npm >/dev/null || { echo 'npm is missing, and the service models come from it: run apt-get install -y nodejs npm' >&2; exit 1; }
	@go run ./tools/awsgen
	@go run ./tools/compatibility
	@go test -count=1 ./test/matrix -run TestPermissionsPage -update

## deps: install the Debian packages that the cloud and its images need
.PHONY: deps
deps:
	@scripts/install $(RUN_PACKAGES) $(IMAGE_PACKAGES)

.PHONY: deps-test
deps-test:
	@scripts/install $(TEST_PACKAGES)

## clean: remove what was built here (not the cloud's data)
.PHONY: clean
clean:
	@rm -rf bin .cache

.PHONY: help
help:
	@echo "make up      is where to begin; then: eval \"\$$(bin/vauban env)\""
	@echo
	@sed -n 's/^## \([a-z0-9-]*\): \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16
