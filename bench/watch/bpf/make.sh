#!/bin/sh
# make.sh OBJECT compiles watch.bpf.c.
set -e
case $1 in /*) object=$1 ;; *) object=$PWD/$1 ;; esac
cd "$(dirname "$0")"
clang -g -O2 -mcpu=v3 -target bpf -Wall -Werror -fdebug-compilation-dir=. -c watch.bpf.c -o "$object"
llvm-strip -g "$object"
