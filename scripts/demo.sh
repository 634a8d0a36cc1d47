#!/bin/bash
# The story of the post "Data Pipelines and Versioning with the Pachyderm Go Client", told again
# with pfs: no cluster, no image registry, no network. Everything happens in a temporary store.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

work=$(mktemp -d -t pfs-demo.XXXXXX)
view=$work/view
leave() {
    ! mountpoint -q "$view" || pfs unmount "$view" || true
    # Never into a mount, whatever became of the unmount.
    if mountpoint -q "$view"; then
        echo "demo: $view is still mounted; unmount it, then remove $work" >&2
    else
        rm -rf -- "$work"
    fi
}
trap leave EXIT

export PATH="$PWD/.venv/bin:$PATH"
export PFS_STORE=$work/store
# The sandbox of pfslib itself, also where Docker is at hand: PFS_RUNNER=docker chooses the other.
export PFS_RUNNER=${PFS_RUNNER:-local}

bold='' plain=''
if [ -t 1 ]; then bold=$'\e[1m' plain=$'\e[0m'; fi

part() { printf '\n%s== %s%s\n' "$bold" "$1" "$plain"; }
tell() { printf '\n'; printf '%s\n' "$@"; }
# Shows a command as one would type it, then runs it.
run() {
    printf '\n%s$ %s%s\n' "$bold" "$1" "$plain"
    eval "$1"
}
# A job, counted from the newest, and its output: of "stats/<id>/0" what is in the middle.
job() { pfs list-job | awk -v row="$1" 'NR == row + 1 { print $1 }'; }
output() { pfs list-job | awk -v row="$1" 'NR == row + 1 { split($2, part, "/"); print part[2] }'; }

part "A store is a directory, and there is no server"
run "pfs version"
run "pfs init \"\$PFS_STORE\""

part "A pipeline"
tell "The image of the pipeline is a directory here, laid over this machine's own root:" \
    "a script that counts packages and lines, and seven small source trees to count."
run "pfs create-image dwhitena/stats examples/go_stats/rootfs"
run "pfs create-repo projects"
run "pfs create-pipeline -f examples/go_stats/pipeline.json"
run "pfs list-repo"
run "pfs list-pipeline"

part "The first commit triggers the first job"
run "echo \"docker/docker\" | pfs put-file projects master one.txt -c"
run "pfs list-job"
first=$(output 1)
run "pfs list-file stats $first"
run "pfs get-file stats $first /results"

part "The second commit: only what is new is counted"
run "echo \"kubernetes/kubernetes\" | pfs put-file projects master two.txt -c"
run "pfs list-commit projects"
run "pfs list-commit stats"
run "pfs get-file stats $(output 1) /results"
tell "Of the two files, the job had to look at one; what it knew of the other was used again."
run "pfs inspect-job $(job 1)"
tell "Nothing is lost: the results as they were at the first commit."
run "pfs get-file stats $first /results"

part "The same from Python: seven projects, seven commits, seven jobs"
run "pfs delete-all --yes"
run "python examples/go_stats/feed.py"
run "pfs list-commit projects"
run "pfs list-job"
run "pfs list-commit stats"
run "pfs get-file stats $(output 1) /results"

part "Every result says what it was made from: here the one after the third of the seven"
third=$(output 5)
run "pfs inspect-commit stats $third"

part "Any commit can be a directory: here the same one"
mkdir "$view"
dir=$(printf %q "$view")
# Mounting asks more of a machine than the rest does; pfs says what is missing.
if run "pfs mount stats@$third $dir"; then
    run "ls -l $dir"
    run "cat $dir/results"
    run "pfs unmount $dir"
else
    tell "(no mount on this machine; everything else works without)"
fi

tell "That was all. The store in $work is removed now."
