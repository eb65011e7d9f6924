# porecast: `make` lists the commands.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# One profile, so that nothing is compiled twice.
PROFILE := --release
# Clippy and docs cover the GPU code too; that needs neither a GPU nor its toolkit.
ALL := --workspace --features cuda

.PHONY: help setup build check check-aarch64 check-static-hdf5 check-python check-torch test test-cluster test-mpi \
	test-wgpu count-launches wheel \
	notebooks pages demo study-1 bench-percolation \
	bench-lattice-boltzmann bench-cpu bench-imaging

help: ## List the commands
	@grep -E '^[a-z0-9-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## (.*)/  make \1\t\2/' | expand -t 32

setup: ## Check what the build needs; install what is missing if possible
	@scripts/setup.sh

build: setup ## Build the program
	cargo build $(PROFILE)

# Clippy's default lint `incompatible_msrv` refuses standard library items newer than the minimum Rust.
check: setup ## Format, lints, docs, dependencies between crates (the quick part of `make test`)
	cargo fmt --all --check
	cargo clippy $(PROFILE) $(ALL) --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc $(PROFILE) $(ALL) --no-deps
	cargo test $(PROFILE) --workspace --test architecture

check-static-hdf5: setup ## Build HDF5 from source and run the tests of the file formats with it
	PATH="$$(dirname "$$(scripts/venv.sh scripts/requirements-cmake.txt)"):$$PATH" \
		cargo test $(PROFILE) -p porecast-store --features static-hdf5 --target-dir target/static-hdf5

check-aarch64: setup ## Check that the kernels compile for 64-bit ARM; gets its standard library through rustup
	rustup target add aarch64-unknown-linux-gnu
	cargo check $(PROFILE) -p porecast-kernels --target aarch64-unknown-linux-gnu --target-dir target/aarch64

# Property tests draw the same cases in every run, so that a result tells about the change and not about the draw.
# `cargo test` draws new ones.
test: export PROPTEST_RNG_SEED ?= 1
test: check ## All checks and tests but those of clusters and GPUs
	cargo test $(PROFILE) --workspace --no-run
	if rustup target add aarch64-unknown-linux-gnu; then $(MAKE) check-aarch64; fi
	python/check.sh
	scripts/check-pages.sh
	cargo test $(PROFILE) --workspace
	for level in avx512 avx2 portable; do \
		PORECAST_KERNELS_SIMD=$$level cargo test $(PROFILE) --workspace --test burn --test laws; \
	done

# The headers of the C compiler serve libclang, which comes without its own.
MPI := BINDGEN_EXTRA_CLANG_ARGS="-I$$(cc -print-file-name=include)"

test-mpi: setup ## Train on several processes of MPI (installs OpenMPI)
	scripts/setup.sh mpi
	$(MPI) cargo clippy $(PROFILE) $(ALL),mpi -- -D warnings
	$(MPI) PORECAST_REQUIRE=mpi cargo test $(PROFILE) --workspace --exclude porecast-python --features mpi \
		--test pipeline -- ranks

test-cluster: test-mpi ## The same, and a study through Slurm on this machine (as root; installs Slurm)
	$(MPI) cargo build $(PROFILE) --features mpi
	scripts/test-cluster.sh

# Mesa's llvmpipe: Vulkan on the CPU, the same on every machine. Only what takes the tests' time is optimised, which halves
# the time of the build; its files are in a folder of their own. Networks in code that is not optimised need a larger stack. Without
# XDG_RUNTIME_DIR a library of Mesa's writes warnings.
WGPU := XDG_RUNTIME_DIR=$${XDG_RUNTIME_DIR:-/tmp} VK_ICD_FILENAMES=$$(ls /usr/share/vulkan/icd.d/lvp_icd*) PORECAST_REQUIRE=wgpu \
	CARGO_TARGET_DIR=$${CARGO_TARGET_DIR:-target}/wgpu CARGO_PROFILE_RELEASE_OPT_LEVEL=0 RUST_MIN_STACK=16777216
WGPU_BUILD := $(PROFILE) --features wgpu $(foreach crate,naga wgpu wgpu-core wgpu-hal burn-flex gemm gemm-common gemm-f32 \
	gemm-f64 gemm-f16 gemm-c32 gemm-c64 porecast-simulations porecast-kernels,\
	--config profile.release.package.$(crate).opt-level=1)

test-wgpu: setup ## Test the GPU code on a Vulkan device in software
	scripts/setup.sh vulkan
	$(WGPU) cargo test $(WGPU_BUILD) --workspace --exclude porecast-python --lib --test gpu --test pipeline -- gpu

count-launches: setup ## Count launches and waits of a training step and of a prediction there; fails above the goals
	scripts/setup.sh vulkan
	$(WGPU) cargo build $(WGPU_BUILD)
	$(WGPU) scripts/count-launches.py

wheel: setup ## Build the Python package with HDF5 in it (a wheel in target/wheels)
	python/build.sh

check-python: setup ## Install the wheel in a new environment; run its tests and the notebooks
	python/check.sh

check-torch: setup ## Compare PyTorch's copy of every architecture with the program (downloads PyTorch)
	python/check.sh --torch

notebooks: setup ## Run the notebooks and store their outputs
	python/check.sh --store

pages: build ## Use the pages of small runs in headless Chromium
	scripts/check-pages.sh

demo: build ## Simulate, train, compare and predict: three minutes after the build
	scripts/demo.sh

study-1: build ## Study 1 at full size (takes long, resumable)
	$${CARGO_TARGET_DIR:-target}/release/porecast study configs/studies/study-1.toml

bench-percolation: setup ## Time percolation against PoreSpy
	"$$(scripts/venv.sh simulations/benches/requirements.txt)" simulations/benches/against_porespy.py

bench-lattice-boltzmann: setup ## Time lattice Boltzmann against the processor's limits and against Taichi
	"$$(scripts/venv.sh simulations/benches/requirements-taichi.txt)" simulations/benches/against_taichi.py

bench-cpu: setup ## Time training and prediction against PyTorch; writes crates/kernels/docs/performance.md
	scripts/bench-cpu.sh

bench-imaging: setup ## Time stain normalisation and augmentation against albumentations and torchvision
	"$$(scripts/venv.sh crates/imaging/benches/requirements.txt)" crates/imaging/benches/against_albumentations.py
