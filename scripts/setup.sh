#!/usr/bin/env bash
# Checks what the build needs and installs what is missing if possible.
#
#   scripts/setup.sh           Rust, a C compiler, pkg-config, HDF5
#   scripts/setup.sh python    Python with venv, for the Python package, the pages and the benchmarks
#   scripts/setup.sh browser   Chromium, to test the pages
#   scripts/setup.sh mpi       OpenMPI and libclang, for the feature `mpi`
#   scripts/setup.sh slurm     Slurm and munge, to test studies as cluster jobs
#   scripts/setup.sh vulkan    a Vulkan device in software, to test the GPU code
set -euo pipefail

readonly RUST_NEEDED=1.95

fail() {
    printf 'setup: %s\n' "$@" >&2
    exit 1
}

# Installs Debian packages, or prints the command.
install_packages() {
    local why=$1 as_root=()
    shift
    command -v apt-get >/dev/null || fail "$why" "Install it with your system's package manager" \
        "(the Debian packages are: $*), then run this again."
    if [ "$(id -u)" -ne 0 ]; then
        if ! sudo -n true 2>/dev/null; then
            fail "$why" "Run this, then try again:" "    sudo apt-get update && sudo apt-get install -y $*"
        fi
        as_root=(sudo -n)
    fi
    echo "setup: installing $*"
    "${as_root[@]}" apt-get update -qq || echo "setup: apt-get update failed; trying with the lists at hand" >&2
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null ||
        fail "$why" "apt-get could not install: $*"
}

setup_build() {
    local tool version
    for tool in cargo rustc; do
        command -v "$tool" >/dev/null || fail "Rust is missing. Install it from https://rustup.rs, then run this again."
    done
    version=$(rustc --version | cut -d' ' -f2)
    if [ "$(printf '%s\n' "$RUST_NEEDED" "$version" | sort -V | head -n1)" != "$RUST_NEEDED" ]; then
        fail "Rust $RUST_NEEDED or newer is needed, this is $version. Run: rustup update stable"
    fi

    local missing=()
    command -v cc >/dev/null || missing+=(gcc libc6-dev)
    command -v pkg-config >/dev/null || missing+=(pkg-config)
    if [ -z "${HDF5_DIR:-}" ]; then
        pkg-config --exists hdf5 2>/dev/null || pkg-config --exists hdf5-serial 2>/dev/null ||
            missing+=(libhdf5-dev)
    fi
    if [ ${#missing[@]} -gt 0 ]; then
        install_packages "A C compiler, pkg-config and the HDF5 library are needed." "${missing[@]}"
    fi
}

setup_python() {
    local missing=()
    command -v python3 >/dev/null || missing+=(python3)
    python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
    if [ ${#missing[@]} -gt 0 ]; then
        install_packages "Python 3 with venv is needed." "${missing[@]}"
    fi
}

setup_browser() {
    command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || install_packages "Chromium is needed to test the pages." chromium
}

setup_slurm() {
    local missing=()
    command -v slurmctld >/dev/null || missing+=(slurmctld)
    command -v slurmd >/dev/null || missing+=(slurmd)
    command -v sbatch >/dev/null || missing+=(slurm-client)
    command -v munged >/dev/null || missing+=(munge)
    if [ ${#missing[@]} -gt 0 ]; then
        install_packages "Slurm and munge are needed to test studies as cluster jobs." "${missing[@]}"
    fi
}

# The crate `mpi` reads the header of the system's MPI library with libclang, which needs a compiler's own headers beside it.
setup_mpi() {
    local missing=()
    command -v mpicc >/dev/null || missing+=(libopenmpi-dev)
    command -v mpirun >/dev/null || missing+=(openmpi-bin)
    compgen -G '/usr/lib/*/libclang-[0-9]*.so*' >/dev/null || compgen -G '/usr/lib/llvm-*/lib/libclang.so*' >/dev/null ||
        missing+=(libclang1)
    if [ ${#missing[@]} -gt 0 ]; then
        install_packages "MPI and libclang are needed for the feature mpi." "${missing[@]}"
    fi
}

setup_vulkan() {
    compgen -G '/usr/share/vulkan/icd.d/lvp_icd*' >/dev/null ||
        install_packages "A Vulkan device in software (llvmpipe) is needed to test the GPU code." \
            libvulkan1 mesa-vulkan-drivers
}

case ${1:-build} in
build) setup_build ;;
python) setup_python ;;
browser) setup_browser ;;
mpi) setup_mpi ;;
slurm) setup_slurm ;;
vulkan) setup_vulkan ;;
*) fail "usage: scripts/setup.sh [build|python|browser|mpi|slurm|vulkan]" ;;
esac
