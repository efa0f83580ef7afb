#!/usr/bin/env bash
# Interpolation: trains the shipped card without bands of energy and angle, and compares inside them
# with what was trained; about an hour on 2 cores. Begun again, it goes on where it stopped.
#
#   benchmarks/hold_out.sh                                       # energy=8:12 theta=0.15:0.2
#   CLASSIFIER=full benchmarks/hold_out.sh energy=8:12           # other bands, each in NAME=LOW:HIGH
set -euo pipefail
cd "$(dirname "$0")/.."
calogan=${CALOGAN:-.venv/bin/calogan}
card=${CARD:-calogan/cards/lar_photons.toml}
reference=${REFERENCE:-build/test.h5}
[ $# -gt 0 ] || set -- energy=8:12 theta=0.15:0.2
[ -x "$calogan" ] || make setup

[ -f build/train.h5 ] || $calogan voxelize 'data/lar_photons/train/*.root' -o build/train.h5
[ -f "$reference" ] || $calogan voxelize 'data/lar_photons/test/*.root' -o "$reference"

train() { # directory, options
  local out=$1 resume=
  shift
  if [ -f "$out/card.json" ]; then resume=--resume; fi
  $calogan train "$card" --out "$out" $resume "$@"
}

# The run of benchmarks/fidelity.sh, trained with everything, is what stands beside.
everything=${EVERYTHING:-build/fidelity/run}
[ -n "${EVERYTHING:-}" ] || train "$everything"
# One run for each band, so that nothing but the band is missing.
for band in "$@"; do
  name=$(echo "$band" | tr '=:' '--')
  train "build/hold_out/$name/run" --hold-out "$band"
  $calogan evaluate "build/hold_out/$name/run" --reference "$reference" --beside "$everything" \
      --output "build/hold_out/$name/report" --classifier "${CLASSIFIER:-quick}"
done
