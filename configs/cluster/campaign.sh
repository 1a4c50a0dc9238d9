#!/bin/sh
# msgen-run for schedulers that try again what failed: a spent budget (exit 3) is an end as good as
# convergence, for another attempt would find the same. A script, because KubeRay's submitter would
# run what follows a `||` in an entrypoint in its own pod.
trap : TERM # it goes to every process of a stopped job; msgen-run commits its round, this one waits
msgen-run "$@"
status=$?
[ $status -eq 3 ] || exit $status
