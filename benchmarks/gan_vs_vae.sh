#!/usr/bin/env bash
# Trains the GAN and the VAE of the LAr photons, which have the same generator, for the same time
# each, and puts their evaluations side by side: benchmarks/gan_vs_vae.sh [MINUTES [CLASSIFIERS]],
# default 20 quick. The updates follow from the rate of a short training, for the learning rate has
# to fall to its end within the time. Begun again, it goes on where it was stopped.
set -euo pipefail
cd "$(dirname "$0")/.."
minutes=${1:-20}
classifiers=${2:-quick}
out=build/gan_vs_vae_$minutes
calogan=.venv/bin/calogan
[ -x $calogan ] || make setup

for part in train test; do
  [ -f build/$part.h5 ] || $calogan voxelize "data/lar_photons/$part/*.root" -o build/$part.h5
done
mkdir -p $out
declare -A cards=([gan]=calogan/card/lar_photons.toml [vae]=data/cards/lar_photons_vae.toml)

card() { # METHOD NAME UPDATES
  printf 'extends = "../../%s"\nname = "%s"\n\n[training]\nupdates = %d\n' \
    "${cards[$1]}" "$1" "$3" >$out/$2.toml
}

for method in gan vae; do
  if [ ! -f $out/$method.toml ]; then
    rm -rf $out/$method-rate
    card $method $method-rate 400
    $calogan train $out/$method-rate.toml --out $out/$method-rate
    rate=$(grep -o '"updates_per_second": [0-9.]*' $out/$method-rate/metrics.jsonl | tail -1)
    card $method $method $(awk -v r="${rate##* }" -v m="$minutes" 'BEGIN { print int(60 * r * m) }')
  fi
  if [ -d $out/$method ]; then resume=--resume; else resume=; fi
  SECONDS=0
  $calogan train $out/$method.toml --out $out/$method $resume
  echo "$method: $(grep updates $out/$method.toml), $((SECONDS / 60)) minutes"
  $calogan evaluate $out/$method --reference build/test.h5 --output $out/$method-report \
    --classifier "$classifiers"
done
$calogan report $out/gan-report $out/vae-report --name GAN --name VAE -o $out/table.md
