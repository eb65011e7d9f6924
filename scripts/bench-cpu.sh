#!/usr/bin/env bash
# Times the kernels against PyTorch and writes the tables of crates/kernels/docs/performance.md, one for each instruction
# set of the processor. Arguments, such as `--cases unet resnet` or `--turns 5`, go to
# crates/kernels/benches/against_torch.py.
set -euo pipefail
cd "$(dirname "$0")/.."

# Path of a compiled benchmark.
built() {
    cargo bench --workspace --bench "$1" --no-run --message-format json 2>/dev/null |
        sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -n1
}

cargo bench --workspace --bench worker --bench layers --no-run
python=$(scripts/venv.sh crates/kernels/benches/requirements.txt)
for level in amx avx512 avx2; do
    "$python" crates/kernels/benches/against_torch.py --worker "$(built worker)" --layers "$(built layers)" \
        --write crates/kernels/docs/performance.md --level "$level" "$@"
done
