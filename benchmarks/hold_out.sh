#!/usr/bin/env bash
# Interpolation: trains the shipped card without bands of energy and angle, and compares inside each
# with as many of the nearest trained showers; about half an hour. Begun again, it goes on where it
# stopped.
#
#   benchmarks/hold_out.sh                                       # energy=8:12 theta=0.15:0.2
#   CLASSIFIER=full UPDATES=24000 benchmarks/hold_out.sh energy=8:12
set -euo pipefail
cd "$(dirname "$0")/.."
calogan=${CALOGAN:-.venv/bin/calogan}
out=${OUT:-build/hold_out}
[ $# -gt 0 ] || set -- energy=8:12 theta=0.15:0.2
[ -x "$calogan" ] || make setup

[ -f build/train.h5 ] || $calogan voxelize 'data/lar_photons/train/*.root' -o build/train.h5
# What the training held out was never seen: those showers judge as well as the test files do.
[ -f build/all.h5 ] || $calogan voxelize 'data/lar_photons/*/*.root' -o build/all.h5

bands=()
for band in "$@"; do bands+=(--hold-out "$band"); done
if [ -f "$out/run/card.json" ]; then resume=--resume; else resume=; fi
$calogan train calogan/card/lar_photons.toml --set "training.updates=${UPDATES:-12000}" \
    --out "$out/run" "${bands[@]}" $resume
$calogan evaluate "$out/run" --reference build/all.h5 --output "$out/report" \
    --classifier "${CLASSIFIER:-quick}"
