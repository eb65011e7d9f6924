#!/usr/bin/env bash
# Times the kernels against PyTorch and writes what was measured into crates/kernels/docs/performance.md. Arguments go to
# crates/kernels/benches/against_torch.py: --cases unet resnet, --turns 5.
set -euo pipefail
cd "$(dirname "$0")/.."

# Where cargo put a benchmark.
built() {
    cargo bench --workspace --bench "$1" --no-run --message-format json 2>/dev/null |
        sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -n1
}

cargo bench --workspace --bench worker --bench layers --no-run
python=$(scripts/venv.sh crates/kernels/benches/requirements.txt)
against=("$python" crates/kernels/benches/against_torch.py --worker "$(built worker)" --write crates/kernels/docs/performance.md)
"${against[@]}" --layers "$(built layers)" "$@"
"${against[@]}" --avx2 --cases unet "$@"
