#!/bin/sh
# Runs programs under watch, plain and guarded by run, and keeps the Records.
#
#	STABLEWRITE=bin/stablewrite sh run.sh OUT [NAME[.VARIANT]...]
#
# For each program: it is prepared in a new directory below $DIR, runs its
# own workload for $SECONDS_EACH seconds under watch, and checks its data. Then the
# same under run. OUT gets, for each, NAME.VARIANT.plain.jsonl and
# NAME.VARIANT.guarded.jsonl, Records of watch, and beside each a .txt with what the
# program said of its throughput and whether its data are right. Needs root.
# The first lines of each script name what it needs.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=${1:?the directory for the Records}
shift
mkdir -p "$out"
out=$(cd "$out" && pwd)
STABLEWRITE=$(realpath "${STABLEWRITE:?the program}")
SECONDS_EACH=${SECONDS_EACH:-60}
PATH=$PATH:/usr/sbin:/sbin
export STABLEWRITE SECONDS_EACH PATH VARIANT

all() {
	for script in "$here"/*.sh; do
		name=$(basename "$script" .sh)
		case $name in run | throughput) continue ;; esac
		variants=$(sed -n 's/^# Variants: //p' "$script")
		for v in ${variants:-only}; do echo "$name.$v"; done
	done
}

# once NAME VARIANT plain|guarded
once() {
	script=$here/$1.sh VARIANT=$2 to=$out/$1.$2.$3 guard=
	[ "$3" = plain ] || guard="$STABLEWRITE run --"
	scratch=$(mktemp -d "${DIR:-.}/watched.XXXXXX")
	chmod 755 "$scratch"
	cd "$scratch"
	code=0
	if sh "$script" prepare >prepared 2>&1; then
		# shellcheck disable=SC2086 # a command and its arguments, or nothing
		"$STABLEWRITE" watch --json -- $guard sh -c 'exec sh "$0" run >"$1.txt" 2>"$1.err"' "$script" "$to" 2>watch.err || code=$?
		grep '^{' watch.err | sed "s,$scratch/,,g" >"$to.jsonl"
		if sh "$script" check >checked 2>&1; then echo "check: clean" >>"$to.txt"; else echo "check: FAILED" >>"$to.txt"; tail checked >&2; fi
		grep -v '^{' watch.err >&2 || true
	else
		echo "$1 $2: cannot be prepared:" >&2
		tail prepared >&2
	fi
	[ -s "$to.err" ] || rm -f "$to.err"
	cd / && rm -rf "$scratch"
	echo "$1 $2 $3: watch ended with $code"
}

for program in ${*:-$(all)}; do
	name=${program%%.*} variant=${program#*.}
	for how in plain guarded; do once "$name" "$variant" $how; done
done
