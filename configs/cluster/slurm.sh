#!/bin/bash
# One campaign on a Slurm allocation, over as many allocations as it needs:
#
#   sbatch configs/cluster/slurm.sh CAMPAIGN.yaml [further options of msgen-run]
#
# Ray's head starts on the first node, its workers on the others. Preempted, or at the end of the
# time limit, the round is committed and the job goes back into the queue; the next start resumes it.
# Set below what your site needs; docs/cluster.md explains each line.
#SBATCH --job-name=msgen
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=16
#SBATCH --time=04:00:00
#SBATCH --signal=B:TERM@120
#SBATCH --requeue
#SBATCH --no-kill
#SBATCH --open-mode=append
#SBATCH --output=msgen-%j.log

# MSGEN_VENV   virtual environment on the shared file system; by default what `msgen-run` is on PATH
# MSGEN_HEAD_IP   address of the first node where its name resolves to the wrong network
set -uo pipefail

[ $# -gt 0 ] || { echo "usage: sbatch $0 CAMPAIGN.yaml [options of msgen-run]" >&2; exit 2; }
[ -z "${MSGEN_VENV:-}" ] || source "$MSGEN_VENV/bin/activate"

stopped=""
driver=""
steps=()
trap 'stopped=yes; [ -z "$driver" ] || kill -TERM "$driver" 2>/dev/null' TERM

mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
head=${nodes[0]}
ip=${MSGEN_HEAD_IP:-$(getent ahostsv4 "$head" | awk '{print $1; exit}')}
port=$((20000 + SLURM_JOB_ID % 12000))  # jobs that share a node keep apart
cpus=${SLURM_CPUS_PER_TASK:-$(nproc)}
scratch=/tmp/msgen-$SLURM_JOB_ID  # short: sockets lie in it
export RAY_ADDRESS=$ip:$port RAY_USAGE_STATS_ENABLED=0
# of this job alone: without it, whoever reaches the port runs code in the owner's name
RAY_AUTH_TOKEN=$(head -c 32 /dev/urandom | sha256sum | cut -d' ' -f1)
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN
export RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S=0  # the head goes with the rest: nobody would answer

# --wait=0, --kill-on-bad-exit=0: a node that is lost takes no other with it
step() { srun --ntasks-per-node=1 --wait=0 --kill-on-bad-exit=0 --no-kill "$@" & steps+=($!); }

alive() {
    python - <<'END' 2>/dev/null
import ray
ray.init(address="auto", log_to_driver=False, logging_level="error")
print(sum(node["Alive"] for node in ray.nodes()))
END
}

end_ray() {
    [ ${#steps[@]} -eq 0 ] || kill -TERM "${steps[@]}" 2>/dev/null
    wait "${steps[@]}" 2>/dev/null
}

step --nodes=1 --ntasks=1 --nodelist="$head" \
    ray start --head --node-ip-address="$ip" --port="$port" --num-cpus="$cpus" \
    --temp-dir="$scratch" --disable-usage-stats --include-dashboard=false --block
others=$((${#nodes[@]} - 1))
until [ -n "$stopped" ] || ray health-check --address "$RAY_ADDRESS" >/dev/null 2>&1; do
    kill -0 "${steps[0]}" 2>/dev/null || { echo "Ray did not start on $head" >&2; exit 1; }
    sleep 1
done
if [ $others -gt 0 ] && [ -z "$stopped" ]; then
    step --nodes=$others --ntasks=$others --exclude="$head" \
        ray start --address="$RAY_ADDRESS" --num-cpus="$cpus" --disable-usage-stats --block
    for _ in $(seq 60); do  # whoever comes later joins all the same
        found=$(alive)
        [ -n "$stopped" ] || [ "${found:-0}" -gt $others ] && break
        sleep 2
    done
    echo "${found:-0} of ${#nodes[@]} nodes are up"
fi

status=1
if [ -z "$stopped" ]; then
    msgen-run "$@" --address auto --resume auto &
    driver=$!
    [ -z "$stopped" ] || kill -TERM "$driver" 2>/dev/null
    wait "$driver"
    status=$?
    if [ $status -eq 143 ]; then  # the signal, not the driver: that commits its round now
        for _ in $(seq 80); do
            kill -0 "$driver" 2>/dev/null || break
            sleep 1
        done
        kill -KILL "$driver" 2>/dev/null  # what is committed stays committed
        wait "$driver"
        status=$?
    fi
fi
end_ray

case $status in 0 | 2 | 3) failed="" ;; *) failed=yes ;; esac
if [ -n "$failed" ] && [ -z "$stopped" ]; then
    echo "Ray's own logs are in $scratch of each node"
else
    srun --nodes=${#nodes[@]} --ntasks=${#nodes[@]} --ntasks-per-node=1 rm -rf "$scratch"
fi
# cancelled by its owner, the job is no longer running: then it stays away
if [ -n "$failed" ] && [ -n "$stopped" ] &&
    scontrol show job "$SLURM_JOB_ID" | grep -q 'JobState=RUNNING'; then
    echo "stopped: back into the queue"
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$status"
