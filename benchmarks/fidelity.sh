#!/usr/bin/env bash
# Trains the shipped card on the LAr photons of data/, about 50 minutes, and judges the
# generator on events it never saw. Results: data/models/README.md, benchmarks/README.md.
set -euo pipefail
cd "$(dirname "$0")/.."
out=build/fidelity
calogan=.venv/bin/calogan
[ -x $calogan ] || make setup

$calogan voxelize 'data/lar_photons/train/*.root' -o build/train.h5
$calogan voxelize 'data/lar_photons/test/*.root' -o build/test.h5
SECONDS=0
if [ -d $out/run ]; then resume=--resume; else resume=; fi
$calogan train calogan/card/lar_photons.toml --out $out/run $resume
echo "trained in $((SECONDS / 60)) minutes"
$calogan evaluate $out/run --reference build/test.h5 --output $out/report --figures png \
    --classifier "${1:-quick}"
$calogan export $out/run -o $out/generator.json
