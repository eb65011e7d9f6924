#!/usr/bin/env bash
# Runs a small study through Slurm on this machine: shards of a campaign, two trainings and a comparison, and a training on two
# processes of MPI. One of the two trainings and that of two processes are told of the time limit, the other is killed; all
# end with the bytes of a study that ran undisturbed without Slurm, each training in one process.
#
#   scripts/test-cluster.sh [FOLDER]     FOLDER stays for a look at logs; without it everything is removed
#
# Needs root for slurmd. Daemons, ports, keys and state are its own, so a Slurm of this machine is left alone.
set -euo pipefail
cd "$(dirname "$0")/.."

[ "$(id -u)" -eq 0 ] || { echo "test-cluster: slurmd needs root; run this as root, as in a container" >&2; exit 2; }
scripts/setup.sh slurm
program=$(realpath "${CARGO_TARGET_DIR:-target}/release/porecast")
work=${1:-$(mktemp -d)}
mkdir -p "$work"
work=$(realpath "$work")
readonly program work keep=${1:-}
readonly host=$(hostname -s)
readonly patience=600 # seconds, for a machine on which other work runs
export SLURM_CONF=$work/slurm.conf

say() { printf 'test-cluster: %s\n' "$*"; }

fail() {
    say "$*" >&2
    squeue 2>/dev/null >&2 || true
    tail -n 20 "$work"/*.log "$work"/slurm/runs/seeds/jobs/*/*.log >&2 2>/dev/null || true
    exit 1
}

cleanup() {
    scancel --user=root 2>/dev/null || true
    local daemon number
    for daemon in slurmd slurmctld munged; do
        number=$(cat "$work/$daemon.pid" 2>/dev/null) || continue
        kill "$number" 2>/dev/null || continue
        for _ in {1..50}; do kill -0 "$number" 2>/dev/null || break; sleep 0.1; done
        kill -KILL "$number" 2>/dev/null || true
    done
    [ -n "$keep" ] || rm -rf "$work"
}
trap cleanup EXIT

# Repeats a command until it succeeds. Arguments: what is waited for, seconds, the command.
await() {
    local what=$1 end=$((SECONDS + $2))
    shift 2
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $end ] || fail "waited in vain: $what"
        sleep 0.2
    done
}

# Ports that nobody listens on.
free_ports() {
    python3 -c 'import socket
sockets = [socket.socket() for _ in range(2)]
for s in sockets: s.bind(("127.0.0.1", 0))
print(*(s.getsockname()[1] for s in sockets))'
}

read -r controller_port node_port < <(free_ports)
cat >"$SLURM_CONF" <<CONF
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
SlurmctldPort=$controller_port
SlurmdPort=$node_port
AuthType=auth/munge
AuthInfo=socket=$work/munge.socket,cred_expire=5
StateSaveLocation=$work/state
SlurmdSpoolDir=$work/spool
SlurmctldPidFile=$work/slurmctld.pid
SlurmdPidFile=$work/slurmd.pid
SlurmctldLogFile=$work/slurmctld.log
SlurmdLogFile=$work/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_interval=1,sched_min_interval=0
MpiDefault=pmix
SlurmdParameters=config_overrides
KillWait=5
ReturnToService=2
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(($(nproc) > 1 ? $(nproc) : 2)) State=UNKNOWN
PartitionName=main Nodes=$host Default=YES MaxTime=INFINITE State=UP
CONF
mkdir -p "$work/state" "$work/spool"
head -c 1024 /dev/urandom >"$work/munge.key"
chmod 400 "$work/munge.key"
munged --force --socket="$work/munge.socket" --key-file="$work/munge.key" --pid-file="$work/munged.pid" \
    --log-file="$work/munged.log" --seed-file="$work/munge.seed" 2>/dev/null
slurmctld 2>>"$work/slurmctld.log"
slurmd -N "$host" 2>>"$work/slurmd.log"
await "an idle node" 30 bash -c 'sinfo --noheader --format=%t | grep -q idle'
say "slurmctld and slurmd run after $SECONDS s"

# Arguments: the folder of the study.
write_study() {
    mkdir -p "$1"
    cat >"$1/campaign.toml" <<'TOML'
domains = 24
height = 32
width = 32
voxel_size_m = 35e-6
percolation = { frames = 5 }
domain = [{ generator = { kind = "disc-pack", porosity = 0.7, grain_radius = 2.5, min_gap = 1.0 } }]
TOML
    cat >"$1/train.toml" <<'TOML'
name = "small"
dataset = "data/seeds"
model.unet = { base_channels = 4, levels = 2 }
model.dropout = 0.1
loss.cross_entropy = 1.0
training = { epochs = 4, batch_size = 2, checkpoint_seconds = 0 }
TOML
    cat >"$1/study.toml" <<'TOML'
name = "seeds"
axes = { shard = 3, seed = [1, 2] }
slurm = { cpus = 1, time = "00:10:00" }

[[stage]]
name = "simulate"
each = ["shard"]
command = "simulate campaign.toml -o data/{name} --shard {shard}/{shard.count}"

[[stage]]
name = "train"
needs = ["simulate"]
each = ["seed"]
command = "train train.toml -o runs/{name}/{seed} --resume --set name='seed-{seed}' --set seed={seed}"

[[stage]]
name = "evaluate"
needs = ["train"]
each = ["seed"]
command = "evaluate runs/{name}/{seed} --force"

[[stage]]
name = "together"
needs = ["evaluate"]
command = "train train.toml -o runs/{name}/together --resume --set name=together --set training.accumulation=2"
slurm = { ranks = 2, setup = ["export OMPI_MCA_mpi_yield_when_idle=1"] } # other work may run here

[[stage]]
name = "compare"
needs = ["evaluate"]
command = "compare runs/{name}/{seed} -o runs/{name}/comparison --force"
TOML
}


is_over() { [ -z "$(squeue --noheader)" ]; }

write_study "$work/slurm"
cd "$work/slurm"
"$program" slurm study.toml --submit

await "the first training" $patience test -e runs/seeds/1/checkpoint
told=$(squeue --noheader --array --format='%A %K' --name=seeds-train --states=running | awk '$2 == 0 { print $1 }')
[ -n "$told" ] || fail "the first training ended before it could be told of the time limit"
scancel --signal=USR1 --batch "$told" # what Slurm sends before the time limit
await "the job in the queue again" $patience bash -c "scontrol show job $told | grep -q Restarts=1"
grep -q "queued again" runs/seeds/jobs/train/0.log || fail "the script did not queue its job again"
say "a training was told of the time limit and queued again after $SECONDS s"

await "the second training" $patience test -e runs/seeds/2/checkpoint
killed=$(squeue --noheader --array --format='%A %K' --name=seeds-train --states=running | awk '$2 == 1 { print $1 }')
[ -n "$killed" ] || fail "the second training ended before it could be killed"
process=$(scontrol listpids "$killed" | awk 'NR > 1 { print $1 }' | while read -r number; do
    [ "$(readlink "/proc/$number/exe")" != "$program" ] || echo "$number"
done)
[ -n "$process" ] || fail "no process of job $killed"
kill -KILL $process
await "the end of all jobs" $patience is_over
[ ! -e runs/seeds/comparison ] || fail "the comparison ran without the killed training"
say "a training was killed, what needs it did not run; after $SECONDS s"

"$program" slurm study.toml --submit 2>&1 | tee again.txt
grep -q "simulate: finished before" again.txt || fail "finished shards were submitted again"
grep -q "train: job .*, 1 of 2 to run" again.txt || fail "more than the killed training was submitted again"
await "the training on two processes" $patience test -e runs/seeds/together/checkpoint
told=$(squeue --noheader --format=%A --name=seeds-together --states=running)
[ -n "$told" ] || fail "the training on two processes ended before it could be told of the time limit"
scancel --signal=USR1 --batch "$told"
await "the job in the queue again" 60 bash -c "scontrol show job $told | grep -q Restarts=1"
grep -q "stopped in epoch" runs/seeds/jobs/together/job.log || fail "the processes were killed instead of stopped"
say "a training on two processes was told of the time limit and queued again after $SECONDS s"
await "the end of all jobs" $patience is_over
[ -e runs/seeds/comparison/comparison.json ] || fail "no comparison"

write_study "$work/alone"
cd "$work/alone"
"$program" study study.toml --quiet # each training in one process
cd "$work"
same() { cmp "alone/$1" "slurm/$1" || fail "$1 differs"; compared=$((compared + 1)); }
compared=0
while read -r file; do same "$file"; done < <(cd alone && find data runs -name '*.h5' -o -name '*.safetensors')
for seed in 1 2 together; do
    # All but the durations, the last two columns.
    cmp <(rev alone/runs/seeds/$seed/metrics.csv | cut -d, -f3- | rev) \
        <(rev slurm/runs/seeds/$seed/metrics.csv | cut -d, -f3- | rev) || fail "the metrics of $seed differ"
done
say "passed: $compared files equal byte for byte, in $SECONDS s"
