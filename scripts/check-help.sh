#!/usr/bin/env bash
# Pastes every example of every `--help` into a copy of the folder of `make demo`, in the order of the commands. An example
# that takes longer than a while is stopped, which counts as run: it was not refused.
#
#   scripts/check-help.sh [SECONDS]    the while; default 20
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-20}
export PATH="$(realpath "${CARGO_TARGET_DIR:-target}/release"):$PATH"
for made in data/demo.h5 runs/demo-comparison; do
    [ -e $made ] || { echo "$made is missing; run \`make demo\` first" >&2; exit 2; }
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/data"
cp -r data/demo.h5 "$folder/data"
cp -r runs configs "$folder"
cd "$folder"

commands=$(porecast --help | sed -n '/^Commands:/,/^$/s/^  \([a-z]\+\) .*/\1/p' | grep -v '^help$')
failed=0 count=0
for command in $commands; do
    while read -r example; do
        count=$((count + 1))
        status=0
        timeout --signal=INT "$seconds" bash -c "$example" >said 2>&1 </dev/null || status=$?
        # 124: stopped by `timeout`; 130: stopped by Ctrl-C.
        if [ $status != 0 ] && [ $status != 124 ] && [ $status != 130 ]; then
            failed=$((failed + 1))
            printf '%s\n' "fails with $status: $example" "$(tail -3 said)" >&2
        fi
    done < <(porecast "$command" --help | sed -n '/^Examples:/,$s/^  \(porecast .*\)/\1/p')
done
echo "help: $((count - failed)) of $count examples run"
[ $failed = 0 ]
