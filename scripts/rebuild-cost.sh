#!/usr/bin/env bash
# Processor seconds to rebuild the program and the tests after a one-line change.
#
#   scripts/rebuild-cost.sh            after `make build` and `cargo test --release --workspace --no-run`
#   scripts/rebuild-cost.sh --no-tests
#
# Each change replaces one number or word in the body of a function; it is undone afterwards.
set -euo pipefail
cd "$(dirname "$0")/.."

tests=yes
[ "${1:-}" = --no-tests ] && tests=no

# Label, files, old text, new text.
changes=(
    "figure|figure/chart.rs|top * 1.05|top * 1.06"
    "report|report/page.rs|<h1>{}|<h1 >{}"
    "command line|commands/report.rs cli.rs|HTML file;|HTML page;"
    "loss|loss/volume.rs|elem(0.5)|elem(0.51)"
    "percolation|percolation/clock.rs|+ 1e-6|+ 2e-6"
    "lattice Boltzmann|lattice_boltzmann/collision.rs|n(0.5) * fx|n(0.51) * fx"
)

# User and system time of a command and its children.
cost() {
    local TIMEFORMAT='%U %S' seconds
    seconds=$({ time "$@" >/dev/null 2>&1; } 2>&1) || { echo "$* failed" >&2; exit 1; }
    awk '{ printf "%.0f\n", $1 + $2 }' <<<"$seconds"
}

program() { cost cargo build --release; }
all_tests() { cost cargo test --release --workspace --no-run; }

program >/dev/null
[ $tests = no ] || all_tests >/dev/null
printf '| change in | program (s) | tests (s) |\n|---|---|---|\n'
for change in "${changes[@]}"; do
    IFS='|' read -r label files from to <<<"$change"
    found=
    for file in $files; do
        [ -n "$found" ] || found=$(git ls-files "*/$file" | head -n1)
    done
    cp "$found" "$found.before"
    trap 'mv "$found.before" "$found"' EXIT
    python3 - "$found" "$from" "$to" <<'PYTHON'
import sys
path, old, new = sys.argv[1:]
text = open(path).read()
assert old in text, f"{path} has no {old!r}"
open(path, "w").write(text.replace(old, new, 1))
PYTHON
    built=$(program)
    tested=-
    [ $tests = no ] || tested=$(all_tests)
    printf '| %s | %s | %s |\n' "$label" "$built" "$tested"
    mv "$found.before" "$found"
    trap - EXIT
    touch "$found"
    program >/dev/null
done
