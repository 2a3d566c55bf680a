#!/bin/sh
# Compares the throughput of programs: with O_DIRECT, under run, and with the program's
# own switch for the page cache.
#
#	STABLEWRITE=bin/stablewrite sh throughput.sh OUT [NAME...]
#
# Each program whose script names its own switch runs its workload for $SECONDS_EACH
# seconds in each of the three ways, in turn, $ROUNDS times; nothing watches it. Each run
# begins in a new directory below $DIR, and the program's check of its data must pass.
# OUT gets a line for each figure: the program, the way, and the throughput.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=$(realpath "${1:?the file for the figures}")
shift
STABLEWRITE=$(realpath "${STABLEWRITE:?the program}")
SECONDS_EACH=${SECONDS_EACH:-20}
PATH=$PATH:/usr/sbin:/sbin
export STABLEWRITE SECONDS_EACH PATH VARIANT

# once NAME VARIANT WAY
once() {
	script=$here/$1.sh VARIANT=$2 guard=
	[ "$3" != run ] || guard="$STABLEWRITE run --"
	scratch=$(mktemp -d "${DIR:-.}/throughput.XXXXXX")
	chmod 755 "$scratch"
	cd "$scratch"
	sh "$script" prepare >prepared 2>&1 || { tail prepared >&2; exit 1; }
	sync
	# shellcheck disable=SC2086 # a command and its arguments, or nothing
	$guard sh "$script" run >figures 2>errors || { tail errors >&2; exit 1; }
	sh "$script" check >checked 2>&1 || { tail checked >&2; exit 1; }
	sed -n "s/^throughput: /$1 $3 /p" figures >>"$out"
	cd / && rm -rf "$scratch"
}

: >"$out"
programs=$(grep -l '^# Its own switch: ' "$here"/*.sh | sed 's,.*/,,; s,\.sh$,,')
for round in $(seq "${ROUNDS:-3}"); do
	for name in ${*:-$programs}; do
		ways=$(sed -n 's/^# Its own switch: //p' "$here/$name.sh")
		once "$name" "${ways% *}" direct
		once "$name" "${ways% *}" run
		once "$name" "${ways#* }" own
		echo "$name: round $round" >&2
	done
done
